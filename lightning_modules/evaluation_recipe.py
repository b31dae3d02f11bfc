"""What rebuilds an evaluator from its checkpoint alone."""

from typing import Any

import pytorch_lightning as pl
from torch import nn

from .recipe import recipe


def keep_recipe(
    module: pl.LightningModule,
    backbone: str | nn.Module,
    network: nn.Module,
    arguments: dict[str, Any],
) -> None:
    """Keep what rebuilds an evaluator from its checkpoint; a foreign module must be passed again.

    Args:
        module: The evaluator.
        backbone: Its backbone argument.
        network: What was made of it.
        arguments: Its other arguments.
    """
    kept: dict[str, Any] = {"_instantiator": "pytorch_lightning.cli.instantiate_module"}
    kept |= {name: recipe(value) for name, value in arguments.items()}
    for source in (network, backbone):  # a path may be gone when the checkpoint is read
        try:
            kept["backbone"] = recipe(source)
            break
        except TypeError:  # else: load_from_checkpoint(path, backbone=...)
            continue
    module.save_hyperparameters(kept)
