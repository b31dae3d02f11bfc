"""MetAug in a script of your own: your DataLoader, your Trainer, no config.

python examples/plain_trainer.py
"""

import pytorch_lightning as pl
import torch
from metaug.lightning_modules import AugmentationGenerator, Encoder, MetAug
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2

augment = v2.Compose([v2.RandomResizedCrop(16, scale=(0.5, 1.0)), v2.RandomAffine(15)])


def two_views(samples):
    """A collate function that gives (views, target), one of the batch forms MetAug takes."""
    images, targets = zip(*samples, strict=True)
    views = [torch.stack([augment(image) for image in images]) for _ in range(2)]
    return views, torch.stack(targets)


def main() -> None:
    digits = load_digits()
    images = torch.from_numpy(digits.images).float()[:, None] / 16
    data = TensorDataset(images[:512], torch.from_numpy(digits.target[:512]))
    loader = DataLoader(data, batch_size=64, shuffle=True, drop_last=True, collate_fn=two_views)

    encoder = Encoder(
        "resnet18",
        small_images=True,
        image_channels=1,
        projection_dim=64,
        backbone_args={"layers": [1, 1, 1, 1], "channels": [8, 16, 32, 64]},
    )
    model = MetAug(encoder, generator=AugmentationGenerator(feature_dim=64, num_views=2))
    trainer = pl.Trainer(max_epochs=1, logger=False, log_every_n_steps=1, accelerator="auto")
    trainer.fit(model, loader)

    representation = model.eval()(images[:4].to(model.device))
    print("steps:", trainer.global_step, "representation:", tuple(representation.shape))


if __name__ == "__main__":
    main()
