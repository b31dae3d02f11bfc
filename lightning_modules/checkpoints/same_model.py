"""Whether a checkpoint that a run goes on from is of the model that goes on."""

from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl

# settings of an optimizer that its state holds, so that others would not be heeded
_HELD_BY_STATE = ("name", "lr", "momentum", "weight_decay", "layer_decay")


def check_same_model(module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
    """Check that a checkpoint fits a module that is attached to a trainer.

    Args:
        module: The module; tensors that are empty yet take any size.
        checkpoint: The whole checkpoint, of any version.

    Raises:
        ValueError: Naming the first weight, or the optimizer, that is another one.
    """
    own, saved = module.state_dict(), checkpoint["state_dict"]
    unsized = {name for name, tensor in own.items() if not tensor.numel()}
    reasons = [
        _listed([name for name in saved if name not in own], "it has {} that this model has not"),
        _listed([name for name in own if name not in saved], "it lacks {} of this model"),
        *(
            f"{name} is {list(saved[name].shape)} there and {list(tensor.shape)} here"
            for name, tensor in own.items()
            if name in saved and name not in unsized and saved[name].shape != tensor.shape
        ),
    ]
    if module.trainer.state.fn == "fit":
        reasons += _optimization(module, checkpoint.get("hyper_parameters", {}))
    reason = next(filter(None, reasons), None)
    if reason is not None:
        raise ValueError(
            f"the checkpoint is of another model: {reason}; go on with the config.yaml in the "
            "folder of its run, or start anew without it"
        )


def _optimization(module: pl.LightningModule, theirs: dict[str, Any]) -> Iterator[str]:
    """Settings of the optimizers, and of what they train, that are other ones."""
    for optimizer in (name for name in theirs if name.endswith("_optimizer")):
        settings, own = theirs[optimizer], getattr(module, optimizer, None)
        for key in _HELD_BY_STATE if isinstance(settings, dict) and own is not None else ():
            there, here = settings.get(key, getattr(own, key)), getattr(own, key)
            if there != here:
                yield f"its {optimizer}.{key} is {there}, that of this model {here}"
    encoder = theirs.get("encoder")
    settings = encoder.get("init_args", {}) if isinstance(encoder, dict) else {}
    there = settings.get("frozen_stages", 0)
    here = getattr(module.encoder, "frozen_stages", 0)
    if there != here:
        yield f"its encoder.frozen_stages is {there}, that of this model {here}"


def _listed(names: list[str], words: str) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return words.format(f"{names[0]}{more}") if names else ""
