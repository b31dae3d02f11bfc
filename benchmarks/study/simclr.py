"""SimCLR by lightly's own loss and projection head, on the same backbone and optimizer."""

from typing import Any

import pytorch_lightning as pl
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from metaug.lightning_modules import Encoder, OptimizerSettings
from torch import Tensor


class LightlySimCLR(pl.LightningModule):
    """SimCLR as lightly's own example builds it.

    Args:
        encoder: Its backbone is trained; its projection head is not used.
        optimizer: The optimizer and its schedule.
        temperature: T of NT-Xent.
    """

    def __init__(self, encoder: Encoder, optimizer: OptimizerSettings, temperature: float) -> None:
        super().__init__()
        width = encoder.num_features
        self.backbone: Any = encoder.backbone
        self.projection_head = SimCLRProjectionHead(width, width, encoder.feature_dim)
        self.criterion = NTXentLoss(temperature=temperature)
        self.optimizer = optimizer

    def forward(self, image: Tensor) -> Tensor:
        """The representation that probes use, ``[N, C, H, W] -> [N, F]``."""
        return self.backbone(image)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss of a batch of two views."""
        features = [self.projection_head(self.backbone(view)) for view in batch.views]
        loss = self.criterion(*features)
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        """The optimizer and schedule that MetAug's encoder gets."""
        optimizer = self.optimizer.build(self)
        total = self.trainer.estimated_stepping_batches
        schedule = self.optimizer.build_schedule(
            optimizer, self.trainer.num_training_batches, float(total)
        )
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]
