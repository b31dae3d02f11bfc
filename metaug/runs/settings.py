"""The settings of a run: flat, components by their class, and what each has to do with."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from metaug.settings.config_layers import flat

Settings = Mapping[str, Any]

# Where files go and what is drawn: nothing that is learned or measured depends on it.
_HOUSEKEEPING = (
    *("ckpt_path", "weights_only", "data.num_workers", "data.eval_batch_size"),
    *("trainer.default_root_dir", "trainer.enable_", "trainer.log_every_n_steps"),
    *("trainer.logger", "trainer.profiler", "trainer.plugins", "trainer.callbacks"),
)
_MEASURES = ("Probe", "KNNGrid", "RepresentationInfoNCE", "EarlyStopping")
_DATA = (
    *("data", "data.root", "data.shards", "data.config_name", "data.train"),
    *("data.val_fraction", "data.class_list"),
)


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a config by short keys; a component stands as its class, or as None.

    Args:
        config: As a run's `config.yaml` holds it.

    Examples:
        >>> contrast = {"class_path": "metaug.lightning_modules.OUCL", "init_args": {"gamma": 8}}
        >>> settings_of({"model": {"class_path": "m.MetAug", "init_args": {"contrast": contrast}}})
        {'model': 'MetAug', 'model.contrast': 'OUCL', 'model.contrast.gamma': 8}
    """
    settings: dict[str, Any] = {}
    for key, value in flat(dict(config)):
        if isinstance(value, list) and value and all(_is_component(entry) for entry in value):
            settings |= _entries(key, value)
        elif key.rpartition(".")[2] == "class_path":
            settings[key.rpartition(".")[0]] = str(value).rpartition(".")[2]
        else:
            settings[key] = value
    return settings


def _is_component(value: Any) -> bool:
    return isinstance(value, dict) and "class_path" in value


def _entries(key: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Entries of a list by their class; a second one of a class gets its number."""
    settings: dict[str, Any] = {}
    count: Counter[str] = Counter()
    for entry in entries:
        name = str(entry["class_path"]).rpartition(".")[2]
        count[name] += 1
        path = f"{key}.{name}" + (f".{count[name] - 1}" if count[name] > 1 else "")
        settings[path] = name
        settings |= {f"{path}.{k}": v for k, v in flat(dict(entry.get("init_args") or {}))}
    return settings


def is_seed(key: str) -> bool:
    """Whether a setting is a seed."""
    return key == "seed_everything" or key.rpartition(".")[2].endswith("seed")


def is_housekeeping(key: str) -> bool:
    """Whether a setting only says where files go, what is drawn, and how it is read and logged."""
    if key.startswith("trainer.callbacks.") and any(name in key for name in _MEASURES):
        return False
    return key.startswith(_HOUSEKEEPING)


def is_data(key: str) -> bool:
    """Whether runs that differ by this setting are of other images."""
    return key in _DATA


def is_measure(key: str) -> bool:
    """Whether runs that differ by this setting are scored in another way."""
    return key.startswith("trainer.callbacks.") and not is_housekeeping(key)


def identity(settings: Settings) -> tuple[tuple[str, str], ...]:
    """What runs have in common that differ by their seeds alone."""
    return tuple(
        sorted(
            (key, repr(value))
            for key, value in settings.items()
            if not is_seed(key) and not is_housekeeping(key)
        )
    )
