"""From one image file to features: MetAug, and its export in timm, onnxruntime and torch.export.

    metaug fit --config image_folder.yaml --config export.yaml --data.root FOLDER \
      --callbacks.Export.formats '[timm, onnx, torch_export]'
    python -m benchmarks.export_chain runs/image_folder/version_0 FOLDER/cat/1.jpg ...

MetAug's features are those of the checkpoint on what the data module's evaluation makes of the
file. All others come from the Python of the export's own card, run in its folder in a process of
its own that imports nothing of MetAug. Printed are the greatest differences over all files.
"""

import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from metaug.datamodules.loading.dataset import EvaluationDataset
from metaug.datamodules.sources.files import FileSource
from metaug.lightning_modules import MetAug
from torch import Tensor

from metaug.checkpoint_export import datamodule_of

# The card's blocks in their order, and what each of them gives.
_BY_THE_CARD = """
import re, sys
import numpy as np

blocks = re.findall(r"```python\\n(.*?)```", open("README.md").read(), re.S)
results = {}
for path in sys.argv[2:]:
    scope = {}
    for block in blocks:
        exec(block.replace("photo.jpg", path), scope)
        programs = {"onnxruntime": "onnxruntime", "torch.export": "torch.export",
                    "create_transform": "timm", "images = (": "images"}
        name = next((name for words, name in programs.items() if words in block), None)
        if name is None:
            continue  # builds the network
        value = scope["images" if name == "images" else "features"]
        results.setdefault(name, []).append(np.asarray(value)[0])
        if name == "timm":
            image = scope["transform"](scope["image"])
            results.setdefault("images of timm", []).append(np.asarray(image))
assert not [name for name in sys.modules if name.split(".")[0] == "metaug"]
np.savez(sys.argv[1], **{name: np.stack(values) for name, values in results.items()})
"""


def by_the_card(export: Path, files: Sequence[Path]) -> dict[str, Tensor]:
    """Images `[n, C, H, W]` and features `[n, F]` of files, by the card of an export.

    Args:
        export: Its folder.
        files: The image files.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "features.npz"
        words = [sys.executable, "-c", _BY_THE_CARD, str(out), *(str(f.absolute()) for f in files)]
        done = subprocess.run(words, cwd=export, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"the lines of {export / 'README.md'} fail:\n{done.stderr}")
        with np.load(out) as results:
            return {name: torch.from_numpy(value) for name, value in results.items()}


def by_metaug(run: Path, files: Sequence[Path]) -> tuple[Tensor, MetAug]:
    """Images `[n, C, H, W]` by the evaluation of a run's data module, and what it trained.

    Args:
        run: Its folder, with `config.yaml` and `checkpoints/last.ckpt`.
        files: The image files.
    """
    data = datamodule_of(yaml.safe_load((run / "config.yaml").read_text()))
    source = FileSource(
        list(files),
        torch.zeros(len(files), dtype=torch.int64),
        ["any"],
        channels=data.image_channels,
        value_range=getattr(data, "value_range", None),
    )
    images = EvaluationDataset(source, data.views, data.image_size)
    batch = torch.stack([images[row].image for row in range(len(files))])
    return batch, MetAug.load_from_checkpoint(run / "checkpoints" / "last.ckpt").eval()


def compare(run: Path, files: Sequence[Path], export: Path | None = None) -> list[str]:
    """Rows of a Markdown table: greatest differences from MetAug over all files.

    Args:
        run: The run's folder.
        files: The image files.
        export: The folder of the export; `export` in the run's folder if None.
    """
    images, module = by_metaug(run, files)
    given = by_the_card(export or run / "export", files)
    std = torch.tensor(datamodule_of(yaml.safe_load((run / "config.yaml").read_text())).views.std)
    rows = [f"| {len(files)} file(s), images {list(images.shape[1:])} | greatest difference |"]
    rows.append("|---|--:|")
    for name in ("images", "images of timm"):
        if name in given:
            levels = (given[name] - images).abs() * std[:, None, None] * 255
            share = float((levels > 0.01).float().mean())
            title = "images by Pillow and numpy" if name == "images" else name
            rows.append(
                f"| {title}, in levels of 255 | {levels.max():.2g} ({share:.2%} of the values) |"
            )
    with torch.inference_mode():
        own, same = module(images), module(given["images"])
    for name in ("timm", "onnxruntime", "torch.export"):
        if name in given:
            difference = float((given[name] - same).abs().max())
            rows.append(f"| features by {name}, same image | {difference:.1e} |")
            whole = float((given[name] - own).abs().max())
            rows.append(f"| features by {name}, from the file | {whole:.1e} |")
    rows.append(f"| greatest feature | {float(own.abs().max()):.2g} |")
    return rows


if __name__ == "__main__":
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    given = parser.parse_args()
    print("\n".join(compare(given.run, given.files)))
