"""MetAug on batches in solo-learn's form: (index, views, target).

python examples/solo_learn_batches.py
"""

import pytorch_lightning as pl
import torch
from metaug.lightning_modules import Encoder, InfoNCE, MetAug, MetAugObjective
from torch.utils.data import DataLoader, Dataset


class IndexedViews(Dataset):
    """What solo-learn's `dataset_with_index` yields: index, list of views, target."""

    def __init__(self) -> None:
        self.images = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        image = self.images[index]
        views = [image.flip(-1), (image + 0.1 * torch.randn_like(image)).clamp(0, 1)]
        return index, views, index % 10


def main() -> None:
    loader = DataLoader(IndexedViews(), batch_size=16, shuffle=True, drop_last=True)
    encoder = Encoder(
        "resnet18",
        small_images=True,
        projection_dim=64,
        backbone_args={"layers": [1, 1, 1, 1], "channels": [8, 16, 32, 64]},
    )
    # no generator and InfoNCE: plain SimCLR in the same class
    model = MetAug(encoder, MetAugObjective(contrast=InfoNCE(temperature=0.2)))
    trainer = pl.Trainer(max_epochs=1, logger=False, log_every_n_steps=1)
    trainer.fit(model, loader)
    print("steps:", trainer.global_step)


if __name__ == "__main__":
    main()
