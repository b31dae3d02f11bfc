"""The options of the classes that most runs are made of, for hints: `--trainer.max_epochs`."""

import inspect
from collections.abc import Iterator
from difflib import get_close_matches
from pydoc import locate

_ROOMS = "metaug.lightning_modules", "metaug.datamodules", "metaug.callbacks"
_CLASSES = (
    ("trainer", "pytorch_lightning.Trainer"),
    ("model", f"{_ROOMS[0]}.MetAug"),
    ("model.encoder", f"{_ROOMS[0]}.Encoder"),
    ("model.objective", f"{_ROOMS[0]}.MetAugObjective"),
    ("model.objective.contrast", f"{_ROOMS[0]}.OUCL"),
    ("model.objective.contrast", f"{_ROOMS[0]}.InfoNCE"),
    ("model.objective.margin", f"{_ROOMS[0]}.MarginRegularization"),
    ("model.generator", f"{_ROOMS[0]}.ResidualGenerator"),
    ("model.memory_bank", f"{_ROOMS[0]}.MemoryBank"),
    ("data", f"{_ROOMS[1]}.MultiViewDataModule"),
    ("data", f"{_ROOMS[1]}.ImageFolderDataModule"),
    ("callbacks.KNNProbe", f"{_ROOMS[2]}.KNNProbe"),
)
_OTHERS = ("config", "ckpt_path", "seed_everything", "print_config")
# what other programs call it
_HABITS = {
    "epochs": "trainer.max_epochs",
    "gpus": "trainer.devices",
    "learning_rate": "model.encoder_optimizer.lr",
    "output_dir": "trainer.default_root_dir",
    "resume": "ckpt_path",
    "seed": "seed_everything",
    "temperature": "model.objective.contrast.temperature",
    "workers": "data.num_workers",
}


def similar_option(name: str, *, within: str = "", owner: str = "") -> str:
    """The hint for a refused option: whole paths of what was probably meant.

    Args:
        name: What was typed, without dashes: `max_epoch`, or `trainer.max_epoch`.
        within: The key whose class refused it; empty for the parser itself.
        owner: That class.

    Returns:
        The end of an error message, perhaps empty.

    Examples:
        >>> similar_option("max_epoch")
        '; did you mean --trainer.max_epochs?'
    """
    key, _, last = name.rpartition(".")
    if within:
        key = f"callbacks.{owner.rpartition('.')[2]}" if within == "trainer.callbacks" else within
        known = [f"{key}.{option}" for option in _options(owner)] if owner else []
    else:
        known = [*_OTHERS, *(f"{key}.{o}" for key, path in _CLASSES for o in _options(path))]
        known = [option for option in known if option.startswith(key)] or known
    similar = _similar(last, list(dict.fromkeys(known)))
    if similar:
        return f"; did you mean {' or '.join(f'--{option}' for option in similar)}?"
    listed = ", ".join(sorted(option.rpartition(".")[2] for option in known))
    return f"; {owner} takes {listed}" if owner and known else ""


def _similar(name: str, known: list[str]) -> list[str]:
    """The known options with that name, or that begin so, or nearly so."""
    if _HABITS.get(name) in known:
        return [_HABITS[name]]
    by_name: dict[str, list[str]] = {}
    for option in known:
        by_name.setdefault(option.rpartition(".")[2], []).append(option)
    names = [name] if name in by_name else [n for n in by_name if name and n.startswith(name)]
    names = names or get_close_matches(name, by_name, n=1)
    return by_name[names[0]][:2] if names else []


def _options(path: str) -> Iterator[str]:
    """The options of a class and of the dataclasses among them."""
    made = locate(path)
    for each in getattr(made, "__mro__", [made] if callable(made) else []):
        parameters = inspect.signature(each).parameters.values()
        named = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        for parameter in named:
            fields = getattr(parameter.annotation, "__dataclass_fields__", ())
            yield from (f"{parameter.name}.{field}" for field in fields)
            yield parameter.name
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return
