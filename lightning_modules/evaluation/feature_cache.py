"""The features of a data module, encoded once and served in place of its images."""

from typing import Any

import pytorch_lightning as pl

from .feature_batches import FeatureBatch, FeatureBatches, encode_all, gather_all
from .pretrained_encoder import PretrainedEncoder

_ON_DEVICE = 2**30  # bytes of features that are kept on the device


class FeatureCache:
    """Features of a data module's labelled training images and of its validation images.

    Both are encoded under the evaluation transform, each process a share of them.

    Args:
        trainer: Has the data module, the device and the precision.
        encoder: What encodes.
        seed: Seed of the order of training features.

    Attributes:
        train: All labelled training images, on every process.
        val: This process's share of the validation images.

    Raises:
        ValueError: If the data module has no bank of labelled training images.
    """

    def __init__(self, trainer: pl.Trainer, encoder: PretrainedEncoder, *, seed: int = 0) -> None:
        self.trainer = trainer
        self.encoder = encoder
        self.seed = seed
        data: Any = getattr(trainer, "datamodule", None)
        self.data = data
        if not hasattr(data, "bank_dataloader"):
            raise ValueError(
                "features are cached from a data module's bank_dataloader(), and "
                f"{type(data).__name__} has none; use LabelledDataModule, or set augment: "
                "true to encode the training loader's images in every epoch"
            )
        self.train = self._place(gather_all(self._encode(data.bank_dataloader())))
        if len(self.train.target) == 0:
            raise ValueError(
                f"{type(data).__name__} has no labelled training images; give it a folder "
                "with one sub-folder per class, or another data set"
            )
        self.val = self._place(self._encode(data.val_dataloader()))

    def _encode(self, loader: Any) -> FeatureBatch:
        device = self.trainer.strategy.root_device
        self.encoder.to(device)
        with self.trainer.precision_plugin.forward_context():
            return encode_all(loader, self.encoder, device)

    def _place(self, features: FeatureBatch) -> FeatureBatch:
        if features.feature.nbytes > _ON_DEVICE:
            return features
        device = self.trainer.strategy.root_device
        return FeatureBatch(*(column.to(device) for column in features))

    def serve(self) -> None:
        """Let the data module yield features where it would yield images."""
        train = FeatureBatches(
            self.train,
            self.data.batch_size,
            epoch=lambda: self.trainer.current_epoch,
            seed=self.seed,
            rank=self.trainer.global_rank,
            world_size=self.trainer.world_size,
        )
        vars(self.data)["train_dataloader"] = lambda: train
        if len(self.val.target):
            val = FeatureBatches(self.val, self.data.eval_batch_size)
            vars(self.data)["val_dataloader"] = lambda: val

    def withdraw(self) -> None:
        """Let the data module yield images again."""
        for name in ("train_dataloader", "val_dataloader"):
            vars(self.data).pop(name, None)
