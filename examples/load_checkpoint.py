"""Use a trained encoder elsewhere: load a checkpoint by its path alone, and compute features.

python examples/load_checkpoint.py runs/digits/version_0/checkpoints/last.ckpt
"""

import sys

import torch
from metaug.lightning_modules import MetAug


def main(path: str) -> None:
    model = MetAug.load_from_checkpoint(path, map_location="cpu").eval()
    images = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        representation = model(images)
    print("representation:", tuple(representation.shape), "sum:", float(representation.sum()))


if __name__ == "__main__":
    main(sys.argv[1])
