"""MetAug on lightly's transform and data set, whose batches are (views, target, file name).

pip install lightly && python examples/lightly_data.py
"""

import pytorch_lightning as pl
import torch
from lightly.data import LightlyDataset
from lightly.transforms import SimCLRTransform
from metaug.lightning_modules import AugmentationGenerator, Encoder, MetAug
from torch.utils.data import DataLoader
from torchvision.datasets import FakeData


def main() -> None:
    torch.manual_seed(0)
    transform = SimCLRTransform(input_size=32, gaussian_blur=0.0)
    images = FakeData(size=64, image_size=(3, 32, 32), transform=transform)
    data = LightlyDataset.from_torch_dataset(images)
    loader = DataLoader(data, batch_size=16, shuffle=True, drop_last=True)

    encoder = Encoder(
        "resnet18",
        small_images=True,
        projection_dim=64,
        backbone_args={"layers": [1, 1, 1, 1], "channels": [8, 16, 32, 64]},
    )
    model = MetAug(encoder, generator=AugmentationGenerator(feature_dim=64, num_views=2))
    trainer = pl.Trainer(max_epochs=1, logger=False, log_every_n_steps=1)
    trainer.fit(model, loader)
    print("steps:", trainer.global_step)


if __name__ == "__main__":
    main()
