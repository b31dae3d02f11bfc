"""Whether a checkpoint is of the run that a config describes: same networks, same data."""

from pathlib import Path
from typing import Any

import yaml

from metaug.settings.config_layers import Layer, flat

_NETWORKS = ("model.encoder", "model.generator", "model.backbone")
_CLASSES = ("model", "model.memory_bank", "data")
_MAY_CHANGE = ("channels_last", "layer", "pretrained", "seed", "image_size", "image_channels")


def difference(checkpoint: Path, config: dict[str, Any]) -> str | None:
    """What another run trained that this one does not.

    Args:
        checkpoint: A checkpoint in the folder of its run, `<folder>/checkpoints/last.ckpt`.
        config: The settings of this run.

    Returns:
        The first such setting with both values; None if the runs may be the same one, or the
        folder does not say what its run was.
    """
    file = checkpoint.parent.parent / "config.yaml"
    if not file.is_file():
        return None
    theirs = _identity(dict(flat(yaml.safe_load(file.read_text(encoding="utf-8")))))
    ours = _identity(dict(flat(config)))
    for key in sorted({*theirs, *ours}):
        if (known := (theirs.get(key), ours.get(key)))[0] != known[1]:
            return f"its {key} is {known[0]}, that of this config {known[1]}"
    return None


def _identity(config: Layer) -> Layer:
    kept = {
        key: value
        for key, value in config.items()
        if key.startswith(_NETWORKS) and not key.endswith(_MAY_CHANGE) and value is not None
    }
    for name in _CLASSES:
        kept[f"{name}.class_path"] = config.get(f"{name}.class_path")
    kept["data.root"] = config.get("data.root")
    return {key: value for key, value in kept.items() if value is not None}
