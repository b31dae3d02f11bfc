"""Compiling the backbone with `torch.compile`."""

from typing import Any

import pytorch_lightning as pl
from torch import nn


class CompileBackbone(pl.Callback):
    """Compiles every `backbone` of the module's encoder in place, before training starts.

    Names of parameters stay as they are, so checkpoints do too. The engines' plain passes run
    compiled; the tangent pass of `exact` and the unrolled steps of `higher` run the backbone as
    written, since compiled code has first derivatives only. Compiling takes a minute or more once.

    Args:
        backend: Backend of `torch.compile`.
        mode: Mode of `torch.compile`, such as `default` or `max-autotune`; null for default.

    Examples:
        >>> CompileBackbone(mode="max-autotune").backend
        'inductor'
    """

    def __init__(self, backend: str = "inductor", mode: str | None = None) -> None:
        self.backend = backend
        self.mode = mode

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Compile.

        Raises:
            ValueError: If the module has no `backbone`.
        """
        if stage != "fit":
            return
        backbones: dict[str, Any] = {
            name: module
            for name, module in pl_module.named_modules()
            if name.rsplit(".", 1)[-1] == "backbone" and isinstance(module, nn.Module)
        }
        if not backbones:
            raise ValueError(
                f"{type(pl_module).__name__} has no module named backbone to compile; call "
                "compile() on the module of your own instead"
            )
        for module in backbones.values():
            module.compile(backend=self.backend, mode=self.mode)
