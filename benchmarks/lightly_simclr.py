"""SimCLR as lightly's own example builds it: what MetAug is compared with."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from torch import Tensor, nn


class LightlySimCLR(pl.LightningModule):
    """A backbone trained with lightly's projection head and loss.

    Args:
        backbone: `[N, C, H, W] -> [N, width]`.
        width: F.
        optimizers: What `configure_optimizers` returns for this module.
        feature_dim: D, size of a projected feature.
        temperature: T of NT-Xent.
        memory_format: The format images are brought into.
    """

    def __init__(
        self,
        backbone: nn.Module,
        width: int,
        optimizers: Callable[[pl.LightningModule], Any],
        *,
        feature_dim: int = 128,
        temperature: float = 0.5,
        memory_format: torch.memory_format = torch.preserve_format,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection_head = SimCLRProjectionHead(width, width, feature_dim)
        self.criterion = NTXentLoss(temperature=temperature)
        self.build_optimizers = optimizers
        self.memory_format = memory_format

    def forward(self, image: Tensor) -> Tensor:
        """The representation that probes use, `[N, C, H, W] -> [N, F]`."""
        return self.backbone(image)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss of a batch of two views."""
        views = [view.to(memory_format=self.memory_format) for view in batch.views]
        features = [self.projection_head(self.backbone(view)) for view in views]
        loss = self.criterion(*features)
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        """The optimizers, with their schedules if there are any."""
        return self.build_optimizers(self)
