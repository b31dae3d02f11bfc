"""MetAug and stable-pretraining: its batches into MetAug, our probes on its module.

Its `Module.forward(batch, stage)` is no map of images, so the probes are told by `representation`
which part of it is: a dotted path, or a function of module and images.

pip install stable-pretraining && python examples/stable_pretraining_module.py
"""

# isort: off
import stable_pretraining as spt  # first: MetAug is then built on its lightning, too
import lightning as L
import torch
from metaug.callbacks import CollapseMonitor, KNNProbe, LinearProbe
from metaug.lightning_modules import AugmentationGenerator, Encoder, MetAug
from stable_pretraining.data import FromTorchDataset
from stable_pretraining.data.transforms import MultiViewTransform
from torch import nn
from torch.utils.data import DataLoader


class Noise:
    """A transform in its form, of a sample that is a mapping."""

    def __call__(self, sample: dict) -> dict:
        image = sample["image"]
        return {**sample, "image": image + 0.2 * torch.randn_like(image)}


def backbone() -> nn.Module:
    """Any map of images to features."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    )


def forward(self, batch: dict, stage: str) -> dict:
    """SimCLR as its users write it: a state with the embedding and, while training, the loss."""
    if "views" not in batch:
        return {"embedding": self.backbone(batch["image"])}
    embeddings = [self.backbone(view["image"]) for view in batch["views"]]
    return {"embedding": embeddings[0], "loss": self.criterion(*map(self.projector, embeddings))}


def embedding(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The representation as a function: what the module's own forward calls so."""
    return module({"image": images}, stage="validate")["embedding"]


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(64, 3, 16, 16, generator=generator)
    samples = [(image, label % 4) for label, image in enumerate(images)]

    def loader(part: slice, transform) -> DataLoader:
        data = FromTorchDataset(samples[part], ["image", "label"], transform=transform)
        return DataLoader(data, batch_size=16)

    # {"views": [{"image": ..., "label": ..., "sample_idx": ...}, ...]}
    train = loader(slice(32), MultiViewTransform([Noise(), Noise()]))
    # {"image": ..., "label": ..., "sample_idx": ...}
    bank, held_out = loader(slice(32), None), loader(slice(32, 64), None)

    settings = {"max_epochs": 1, "logger": False, "log_every_n_steps": 1, "accelerator": "cpu"}
    metaug = MetAug(Encoder(backbone(), projection_dim=32), generator=AugmentationGenerator(32))
    L.Trainer(**settings, callbacks=[KNNProbe(k=5, bank=bank)]).fit(metaug, train, held_out)

    module = spt.Module(
        forward=forward,
        backbone=backbone(),
        projector=nn.Linear(64, 32),
        criterion=spt.losses.NTXEntLoss(temperature=0.5),
        optim={"optimizer": {"type": "SGD", "lr": 0.1}},
    )
    probes = [
        KNNProbe(k=5, bank=bank, representation="backbone"),
        LinearProbe(bank=bank, representation=embedding),
        CollapseMonitor(representation="backbone"),
    ]
    trainer = L.Trainer(**settings, callbacks=probes)
    trainer.fit(module, train, held_out)
    for name in ("val/knn_top1", "val/linear_top1", "representation/alignment"):
        print(name, float(trainer.callback_metrics[name]))


if __name__ == "__main__":
    main()
