"""Memory of each worker of a loader over epochs of a million paths, before and after.

    python -m benchmarks.data.worker_memory                 # some minutes
    python -m benchmarks.data.worker_memory --paths 1281167

Nothing is decoded: reading an image looks up its path, which is what a worker of ImageNet does a
million times beside decoding. Each form of the paths runs in a process of its own. A report and a
figure go to `benchmarks/data/reports/`. Linux only.
"""

import argparse
import json
import multiprocessing
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import matplotlib
import torch
from metaug.datamodules import MultiViewDataModule, Splits, Views
from metaug.datamodules.sources.packed_paths import PackedPaths

from benchmarks.machine import describe_machine

matplotlib.use("agg")
from matplotlib import pyplot as plt

REPORTS = Path(__file__).parent / "reports"
FORMS = {  # in the order in which they came
    "list": "list of str",
    "packed": "PackedPaths",
    "frozen": "PackedPaths, collector kept off shared objects",
}
COLORS = ("#999999", "#9dbce0", "#3b6fb6")
BATCH, POINTS, EPOCHS = 2000, 40, 2


def names(count: int) -> Iterator[str]:
    """Paths as ImageNet has them, 1,300 to a class."""
    for number in range(count):
        folder = f"n{10_000_000 + number // 1300:08d}"
        yield f"/data/imagenet/train/{folder}/{folder}_{number % 1300:05d}.JPEG"


class Names:
    """A source whose images are black, and whose reading looks up their paths."""

    class_names: Sequence[str] = ()
    uniform, unreadable = False, None

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = paths
        self.targets = torch.full((len(paths),), -1)

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, indices: Sequence[int]) -> list[torch.Tensor]:
        """One pixel each."""
        return [torch.full((1, 1, 1), len(self.paths[i])).byte() for i in indices]

    def name(self, index: int) -> str:
        """Its path."""
        return self.paths[index]


class Nothing(Views):
    """Two views of a pixel, without work."""

    num_views = 2  # type: ignore[assignment]

    def __call__(self, images: Sequence[torch.Tensor], seeds: torch.Tensor) -> list[torch.Tensor]:
        """The images, twice."""
        return [torch.stack(list(images)).float()] * 2


class Data(MultiViewDataModule):
    """The paths, as training images.

    Args:
        paths: The paths.
        kwargs: As for `MultiViewDataModule`.
    """

    def __init__(self, paths: Sequence[str], **kwargs: object) -> None:
        super().__init__(image_size=2, image_channels=1, views=Nothing(), **kwargs)
        self.paths = paths

    def load(self) -> Splits:
        """One split."""
        return Splits(train=Names(self.paths))


def memory(process: int) -> dict[str, float]:
    """Proportional and unique memory of a process, in MiB.

    Args:
        process: Its number.
    """
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
    return {"pss": sizes["Pss"], "unique": sizes["Private_Clean"] + sizes["Private_Dirty"]}


def watch(form: str, count: int, workers: int) -> dict[str, object]:
    """Read all paths in `EPOCHS` random orders, and look at the workers as it goes.

    Args:
        form: A key of `FORMS`.
        count: Number of paths.
        workers: Number of workers.
    """
    paths = list(names(count)) if form == "list" else PackedPaths(names(count))
    data = Data(paths, batch_size=BATCH, num_workers=workers)
    loader = data.train_dataloader()
    if form != "frozen":
        loader.worker_init_fn = None
    every = max(1, len(loader) // POINTS)
    points: list[dict[str, float]] = []
    for epoch in range(EPOCHS):
        loader.sampler.set_epoch(epoch)
        for number, _ in enumerate(loader):
            if number % every == 0:
                each = [memory(child.pid) for child in multiprocessing.active_children()]
                mean = {key: sum(part[key] for part in each) / len(each) for key in each[0]}
                points.append({"epochs": epoch + number / len(loader), **mean})
    assert len(each) == workers
    return {"points": points}


def draw(found: dict[str, dict], count: int, path: Path) -> None:
    """Unique and proportional memory of a worker over the epochs, a line for each form.

    Args:
        found: What `watch` gave, by form.
        count: Number of paths.
        path: Where the PNG goes.
    """
    titles = {"unique": "unique to the worker", "pss": "its share of all memory (Pss)"}
    figure, panels = plt.subplots(1, 2, sharey=True, figsize=(9, 3.2), layout="constrained")
    for panel, (key, title) in zip(panels, titles.items(), strict=True):
        for form, color in zip(FORMS, COLORS, strict=True):
            points = found[form]["points"]
            times, values = [p["epochs"] for p in points], [p[key] for p in points]
            panel.plot(times, values, color=color, label=FORMS[form])
            panel.annotate(f"{values[-1]:.0f}", (times[-1], values[-1]), xytext=(4, -3),
                           textcoords="offset points", fontsize=8)  # fmt: skip
        panel.set_title(f"Memory of a worker, {title}", fontsize=9)
        panel.set_xlabel("epochs")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylim(
        0, 1.4 * max(point["pss"] for one in found.values() for point in one["points"])
    )
    panels[0].set_ylabel("MiB")
    panels[0].legend(frameon=False, fontsize=8, title=f"{count:,} paths", title_fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def table(found: dict[str, dict]) -> list[str]:
    """Memory at the first batch, after one epoch and after two, in MiB."""
    rows = [
        "| paths | unique: first batch | one epoch | two epochs | Pss: first batch | two epochs |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for form, name in FORMS.items():
        points = found[form]["points"]
        first, last = points[0], points[-1]
        middle = next(point for point in points if point["epochs"] >= 1)
        values = [first["unique"], middle["unique"], last["unique"], first["pss"], last["pss"]]
        rows.append(f"| {name} | " + " | ".join(f"{value:.0f}" for value in values) + " |")
    return rows


def main() -> None:
    """Run all forms, print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paths", type=int, default=1_000_000, help="number of paths")
    parser.add_argument("--workers", type=int, default=4, help="workers of the loader")
    parser.add_argument("--form", choices=FORMS, help="measure one form and print its points")
    arguments = parser.parse_args()
    if arguments.form:
        torch.set_num_threads(1)
        print(json.dumps(watch(arguments.form, arguments.paths, arguments.workers)))
        return
    command = [sys.executable, "-m", __spec__.name]
    settings = ["--paths", str(arguments.paths), "--workers", str(arguments.workers)]
    found = {}
    for form in FORMS:
        run = [*command, "--form", form, *settings]
        done = subprocess.run(run, stdout=subprocess.PIPE, text=True, check=True)
        found[form] = json.loads(done.stdout.splitlines()[-1])
    path = REPORTS / f"{date.today()}-worker-memory.md"
    draw(found, arguments.paths, path.with_suffix(".png"))
    told = f"python -m benchmarks.data.worker_memory {' '.join(settings)}"
    lines = [
        f"# Memory of a worker, {arguments.paths:,} paths, {date.today()}", "",
        *describe_machine(told), "",
        f"MiB, mean over {arguments.workers} forked workers, by `smaps_rollup`; images are not "
        "decoded, batches of "
        f"{BATCH}. What a worker shares with the first process counts in Pss by its share, and not "
        "as unique.", "", *table(found), "",
        f"![memory of a worker over two epochs]({path.with_suffix('.png').name})", "",
    ]  # fmt: skip
    path.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
