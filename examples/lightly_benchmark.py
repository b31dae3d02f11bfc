"""MetAug's probes, monitors and export on a module like those of lightly's benchmarks.

A ResNet, lightly's SimCLR head, loss, LARS and online classifier; batches are (views, targets, file
names). Beside the online classifier, which learns from augmented views while training, the probes
score the frozen representation of clean images.

pip install lightly && python examples/lightly_benchmark.py
"""

import pytorch_lightning as pl
import torch
from lightly.data import LightlyDataset
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from lightly.models.utils import get_weight_decay_parameters
from lightly.transforms import SimCLRTransform
from lightly.utils.benchmarking import OnlineLinearClassifier
from lightly.utils.lars import LARS
from metaug.callbacks import CollapseMonitor, Export, KNNProbe, LinearProbe, Summary
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import FakeData
from torchvision.models import resnet18
from torchvision.transforms import ToTensor


class SimCLR(pl.LightningModule):
    """SimCLR of lightly's parts, with its classifier that learns while the encoder does."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.backbone = resnet18()
        self.backbone.fc = nn.Identity()
        self.projection_head = SimCLRProjectionHead(512, 128, 64)
        self.criterion = NTXentLoss(temperature=0.2)
        self.online_classifier = OnlineLinearClassifier(512, num_classes, topk=(1,))

    def forward(self, image):
        """The representation, which is what probes score."""
        return self.backbone(image)

    def training_step(self, batch, batch_idx):
        """Contrast of two views, and the classifier on their features."""
        views, targets = batch[0], batch[1]
        features = self(torch.cat(views)).flatten(start_dim=1)
        first, second = self.projection_head(features).chunk(len(views))
        online = features.detach(), targets.repeat(len(views))
        class_loss, log = self.online_classifier.training_step(online, batch_idx)
        self.log_dict(log, batch_size=len(targets))
        return self.criterion(first, second) + class_loss

    def validation_step(self, batch, batch_idx):
        """The online classifier's score."""
        images, targets = batch[0], batch[1]
        online = self(images).flatten(start_dim=1), targets
        _, log = self.online_classifier.validation_step(online, batch_idx)
        self.log_dict(log, batch_size=len(targets))

    def configure_optimizers(self):
        """LARS, without weight decay of biases and of the classifier."""
        decayed, others = get_weight_decay_parameters([self.backbone, self.projection_head])
        others = [*others, *self.online_classifier.parameters()]
        groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
        return LARS(groups, lr=0.1, momentum=0.9, weight_decay=1e-6)


def main() -> None:
    def images(transform, first: int) -> LightlyDataset:
        size = {"size": 32, "image_size": (3, 32, 32), "num_classes": 3, "random_offset": first}
        return LightlyDataset.from_torch_dataset(FakeData(transform=transform, **size))

    train = images(SimCLRTransform(input_size=32, gaussian_blur=0.0), first=0)
    bank = DataLoader(images(ToTensor(), first=0), batch_size=16)
    held_out = DataLoader(images(ToTensor(), first=32), batch_size=16)
    trainer = pl.Trainer(
        max_epochs=1,
        logger=False,
        log_every_n_steps=1,
        callbacks=[
            KNNProbe(k=5, bank=bank),
            LinearProbe(bank=bank),
            CollapseMonitor(),
            Summary(),
            Export(),  # the weights of torchvision's ResNet
        ],
    )
    trainer.fit(SimCLR(num_classes=3), DataLoader(train, batch_size=16, shuffle=True), held_out)
    for name in ("val/knn_top1", "val/linear_top1", "val_online_cls_top1"):
        print(name, float(trainer.callback_metrics[name]))


if __name__ == "__main__":
    main()
