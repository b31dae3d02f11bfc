"""A run's config in a few rows: what a reader of a model card asks for."""

from collections.abc import Mapping
from typing import Any

# What it is called, and where it stands; `init_args` are passed through.
_ROWS = {
    "module": "model",
    "encoder": "model.encoder",
    "backbone": "model.encoder.backbone",
    "backbone arguments": "model.encoder.backbone_args",
    "stem for small images": "model.encoder.small_images",
    "weights at the start": "model.encoder.pretrained",
    "projection": "model.encoder.projection_dim",
    "generator": "model.generator",
    "objective": "model.objective",
    "contrast": "model.objective.contrast",
    "meta step": "model.meta",
    "optimizer of the encoder": "model.encoder_optimizer",
    "optimizer of the generator": "model.generator_optimizer",
    "data": "data",
    "views": "data.views",
    "image size": "data.image_size",
    "batch size on each process": "data.batch_size",
    "labels per class, of the probes": "data.labels_per_class",
    "processes": "trainer.devices",
    "precision": "trainer.precision",
    "seed": "seed_everything",
}
_NESTED = ("optimizer", "meta")


def recipe_of(config: Mapping[str, Any]) -> dict[str, str]:
    """The rows of a config that are set.

    Args:
        config: `config.yaml` of a run.

    Examples:
        >>> recipe_of({"model": {"class_path": "metaug.lightning_modules.MetAug"}, "data": None})
        {'module': 'MetAug'}
    """
    values = {name: _at(config, path) for name, path in _ROWS.items()}
    words = {name: _words(name, value) for name, value in values.items()}
    return {name: text for name, text in words.items() if text}


def _at(config: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(config, Mapping):
            return None
        config = config.get(key, (config.get("init_args") or {}).get(key))
    return config


def _words(name: str, value: Any) -> str:
    if value is None or value is False or value == {}:
        return ""
    if not isinstance(value, Mapping):
        return "yes" if value is True else str(value)
    title = str(value.get("class_path", "")).rpartition(".")[2]
    plain = {**value, **(value.get("init_args") or {})}
    shown = [
        f"{key} {part}"
        for key, part in plain.items()
        if key not in ("class_path", "init_args")
        and not isinstance(part, Mapping)
        and part is not None
    ]
    if not title or any(word in name for word in _NESTED):
        return ", ".join(filter(None, [title, *shown]))
    return title
