"""Whether a checkpoint that a run goes on from is of the model that goes on."""

from typing import Any

import pytorch_lightning as pl


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
        reasons += [
            f"its {name} is {theirs['name']}, that of this model {getattr(module, name).name}"
            for name, theirs in checkpoint.get("hyper_parameters", {}).items()
            if name.endswith("_optimizer")
            and isinstance(theirs, dict)
            and theirs.get("name", "sgd") != getattr(module, name).name
        ]
    reason = next(filter(None, reasons), None)
    if reason is not None:
        raise ValueError(
            f"the checkpoint is of another model: {reason}; go on with the config.yaml in the "
            "folder of its run, or start anew without it"
        )


def _listed(names: list[str], words: str) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return words.format(f"{names[0]}{more}") if names else ""
