"""The features of a data module, encoded once and served in place of its images."""

from typing import Any

import pytorch_lightning as pl
import torch

from .features import extract
from .labeled import Features
from .loaders import FeatureLoader
from .pretrained_encoder import PretrainedEncoder

_ON_DEVICE = 2**30  # bytes of features that are kept on the device


class FeatureCache:
    """Features of a data module's labeled training images and of its validation images.

    Both are encoded under the evaluation transform, each process a share of them.

    Args:
        trainer: Has the data module, the device and the precision.
        encoder: What encodes.
        seed: Seed of the order of training features.

    Attributes:
        train: All labeled training images, on every process.
        val: This process's share of the labeled validation images.

    Raises:
        ValueError: If the data module has no bank of labeled training images.
    """

    def __init__(self, trainer: pl.Trainer, encoder: PretrainedEncoder, *, seed: int = 0) -> None:
        self.trainer = trainer
        self.encoder = encoder
        self.seed = seed
        self.device = trainer.strategy.root_device
        data: Any = getattr(trainer, "datamodule", None)
        self.data = data
        if not hasattr(data, "bank_dataloader"):
            raise ValueError(
                "features are cached from a data module's bank_dataloader(), and "
                f"{type(data).__name__} has none; use LabelledDataModule, or set augment: "
                "true to encode the training loader's images in every epoch"
            )
        trainer.precision_plugin.convert_module(encoder.to(self.device))
        self.train = self._place(self._encode(data.bank_dataloader()).gathered(self.device))
        if len(self.train.target) == 0:
            raise ValueError(
                f"{type(data).__name__} has no labeled training images; give it a folder "
                "with one sub-folder per class, or another data set"
            )
        self.val = self._place(self._encode(data.val_dataloader()))

    def _encode(self, loader: Any) -> Features:
        cpu = torch.device("cpu")
        return extract(self.trainer, self.encoder, loader, keep_on=cpu).labeled()

    def _place(self, features: Features) -> Features:
        return features if features.value.nbytes > _ON_DEVICE else features.to(self.device)

    def serve(self) -> None:
        """Let the data module yield features where it would yield images."""
        train = FeatureLoader(
            self.train,
            self.data.batch_size,
            epoch=lambda: self.trainer.current_epoch,
            seed=self.seed,
            rank=self.trainer.global_rank,
            world_size=self.trainer.world_size,
        )
        vars(self.data)["train_dataloader"] = lambda: train
        if len(self.val.target):
            val = FeatureLoader(self.val, self.data.eval_batch_size)
            vars(self.data)["val_dataloader"] = lambda: val

    def withdraw(self) -> None:
        """Let the data module yield images again."""
        for name in ("train_dataloader", "val_dataloader"):
            vars(self.data).pop(name, None)
