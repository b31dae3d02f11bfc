"""Run by test_checkpoints in a fresh process: load checkpoints with nothing else given.

``load_checkpoints.py IMAGE OUT CHECKPOINT ...`` saves the representation of the image by each.
"""

import sys

import torch
from metaug.lightning_modules import MetAug


def main() -> None:
    image, out, *checkpoints = sys.argv[1:]
    images = torch.load(image)
    representations = {}
    for path in checkpoints:
        model = MetAug.load_from_checkpoint(path, weights_only=True).eval()
        with torch.no_grad():
            representations[path] = model(images)
    torch.save(representations, out)


if __name__ == "__main__":
    main()
