"""Images per second of a folder, of parquet and of shards that hold the same files.

    python -m benchmarks.data.stores                # about two minutes
    python -m benchmarks.data.stores --images 512 --rounds 3

Photos of 500 x 375 pixels are made and written three times, in a folder of class folders, as
parquet and as shards. All are read by turns in one process and on one thread, in random order, from
the page cache: what a disk or a network adds is not seen. CPU time is counted. A report goes to
`benchmarks/data/reports/`.
"""

import argparse
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import torch
from metaug.datamodules import (
    HuggingFaceDataModule,
    ImageFolderDataModule,
    MultiViewDataModule,
    WebDatasetDataModule,
)
from metaug.datamodules.sources.files import read_encoded
from torchvision.transforms.v2.functional import to_pil_image

from benchmarks.machine import describe_machine, versions

REPORTS = Path(__file__).parent / "reports"
CLASSES, SHARD = 8, 256
SETTINGS = {"image_size": 224, "batch_size": 32, "num_workers": 0, "val_fraction": 0.0}


def write(root: Path, count: int) -> None:
    """The same JPEGs in `folder/`, `parquet/` and `shards/`.

    Args:
        root: Where to.
        count: Number of images.
    """
    import datasets
    import webdataset

    torch.manual_seed(0)
    files, labels = [], []
    for number in range(count):
        coarse = torch.rand(1, 3, 24, 32)
        fine = torch.nn.functional.interpolate(coarse, (375, 500), mode="bicubic")
        noisy = (fine + 0.06 * torch.randn_like(fine)).clamp(0, 1)[0]
        file = io.BytesIO()
        to_pil_image(noisy).save(file, "JPEG", quality=90)
        files.append(file.getvalue())
        labels.append(number * CLASSES // count)
    for number, (data, label) in enumerate(zip(files, labels, strict=True)):
        path = root / "folder" / f"class{label}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (root / "parquet").mkdir()
    (root / "shards").mkdir()
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=[f"class{n}" for n in range(CLASSES)]),
        }
    )
    rows = {"image": [{"bytes": data, "path": None} for data in files], "label": labels}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(
        str(root / "parquet" / "train-00000-of-00001.parquet")
    )
    pattern = str(root / "shards" / "train-%06d.tar")
    with webdataset.ShardWriter(pattern, maxcount=SHARD, verbose=0) as shards:
        for number, (data, label) in enumerate(zip(files, labels, strict=True)):
            shards.write({"__key__": f"{number:06d}", "jpg": data, "cls": label})


def timed(run: Callable[[], object], images: int) -> float:
    """Images per second of CPU time of this thread."""
    start = time.thread_time()
    run()
    return images / (time.thread_time() - start)


def steps(data: MultiViewDataModule, order: list[int]) -> dict[str, Callable[[], object]]:
    """What is timed of a data module: its bytes, its pixels, and an epoch of its loader.

    Args:
        data: The module.
        order: Images to read.
    """
    source = data.splits.train

    def each(read: Callable[[list[int]], object]) -> Callable[[], object]:
        return lambda: [read([index]) for index in order]

    return {
        "read bytes": each(lambda indices: read_encoded(source, indices)),
        "decode": each(source.read),
        "two views of 224 pixels, the loader": lambda: [None for _ in data.train_dataloader()],
    }


def same_views(modules: dict[str, MultiViewDataModule]) -> bool:
    """Whether all modules give equal batches, in equal order."""
    loaders = [iter(data.train_dataloader()) for data in modules.values()]
    return all(
        torch.equal(view, other)
        for first, *others in zip(*loaders, strict=True)
        for batch in others
        for view, other in zip(first.views, batch.views, strict=True)
    )


def main() -> None:
    """Write the images, time all, print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=512, help="number of images")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions of every measurement")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    speeds: dict[tuple[str, str], list[float]] = {}
    opening = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HF_HOME"] = f"{folder}/cache"
        root = Path(folder)
        write(root, arguments.images)
        modules: dict[str, MultiViewDataModule] = {
            "folder": ImageFolderDataModule(f"{root}/folder", in_memory=False, **SETTINGS),
            "parquet": HuggingFaceDataModule(f"{root}/parquet", in_memory=False, **SETTINGS),
            "shards": WebDatasetDataModule(f"{root}/shards", shuffle_buffer=None, **SETTINGS),
        }
        for name, data in modules.items():
            opening[name] = 1e6 / timed(lambda data=data: data.setup("fit"), arguments.images)
        equal = same_views(modules)
        order = torch.randperm(arguments.images).tolist()
        timings = {name: steps(data, order) for name, data in modules.items()}
        for _ in range(arguments.rounds):
            for name, step in ((name, step) for step in timings["folder"] for name in modules):
                speed = timed(timings[name][step], arguments.images)
                speeds.setdefault((name, step), []).append(speed)
    settings = f"--images {arguments.images} --rounds {arguments.rounds}"
    libraries = versions(("datasets", "webdataset", "pyarrow"))
    lines = [
        f"# Images per second of a folder, parquet and shards, {date.today()}", "",
        *describe_machine(f"python -m benchmarks.data.stores {settings}"),
        f"- libraries: {', '.join(f'{name} {text}' for name, text in libraries.items())}", "",
        f"{arguments.images} JPEGs of 500 x 375 pixels, one process, one thread, CPU time, from "
        "the page cache; median over the rounds, and lowest to highest. Views of all three for one "
        f"seed, a whole epoch: {'equal in every value' if equal else 'NOT EQUAL'}.", "",
        "| | folder | parquet | shards |", "|---|--:|--:|--:|",
    ]  # fmt: skip
    for step in timings["folder"]:
        cells = [speeds[name, step] for name in modules]
        told = [f"{statistics.median(c):,.0f} ({min(c):,.0f} to {max(c):,.0f})" for c in cells]
        lines.append(f"| {step}, images/s | {' | '.join(told)} |")
    told = [f"{opening[name]:,.0f}" for name in modules]
    lines += [f"| opened for the first time, once, µs of CPU per image | {' | '.join(told)} |", ""]
    lines.append(
        "Opening lists a folder, copies parquet to the cache of the library `datasets`, and looks "
        "through the shards for their index."
    )
    report = "\n".join(lines)
    (REPORTS / f"{date.today()}-stores.md").write_text(report + "\n")
    print(report)


if __name__ == "__main__":
    main()
