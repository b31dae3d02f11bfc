"""A pretrained encoder as it is, for probes: kNN, few labels, features."""

from typing import Any

import pytorch_lightning as pl
from torch import Tensor, nn

from .evaluation.labeled import read_batch
from .evaluation.pretrained_encoder import REPRESENTATION, PretrainedEncoder


class FrozenBackbone(pl.LightningModule):
    """Trains nothing; `metaug validate` (or `test`) runs the config's probes on its features.

    Args:
        backbone: A checkpoint of MetAug, the folder of an exported backbone, or a module
            `[N, C, H, W] -> [N, F]`.
        layer: `representation`, `projection`, or the dotted name of a part of the backbone
            such as `layer3`, whose output is averaged over space.

    Examples:
        >>> import torch
        >>> frozen = FrozenBackbone(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()))
        >>> frozen(torch.zeros(1, 3, 4, 4)).requires_grad
        False
    """

    def __init__(self, backbone: str | nn.Module, layer: str = REPRESENTATION) -> None:
        super().__init__()
        self.encoder = PretrainedEncoder(backbone, layer).freeze()

    def forward(self, image: Tensor) -> Tensor:
        """Features, `[N, C, H, W] -> [N, F]`."""
        return self.encoder(image)

    def setup(self, stage: str) -> None:
        """Refuse to be trained, and images that the backbone does not take.

        Raises:
            ValueError: In a fit, or for images of another kind.
        """
        if stage == "fit":
            raise ValueError(
                "FrozenBackbone has nothing to fit; use `metaug validate` (or test, predict), or "
                "LinearEvaluator or FineTuner to train a head"
            )
        data: Any = getattr(self.trainer, "datamodule", None)
        if hasattr(data, "image_channels") and hasattr(data, "image_size"):
            self.encoder.width(data.image_channels, data.image_size, data.image_size)

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Never reached: see `setup`; Lightning asks for it first."""

    def configure_optimizers(self) -> None:
        """Never reached: see `setup`; Lightning asks for it first."""

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Nothing of its own: probes (callbacks) evaluate the features."""

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Nothing of its own: probes (callbacks) evaluate the features."""

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Features of a batch of images, `[N, F]`."""
        return self(read_batch(batch).value)
