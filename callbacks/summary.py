"""The table at the end of a fit: what training was worth, and where its files are."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from metaug.lightning_modules.evaluation.features import Features, extract
from pytorch_lightning.callbacks import Callback
from rich.console import Console
from rich.table import Table
from torch import Tensor

from .plotting.style import is_trial, run_directory, written_files
from .probing.feature_store import loop_loader
from .probing.probe import Probe

RAW, UNTRAINED, TRAINED = "raw pixels", "untrained encoder", "trained encoder"


def raw_pixels(image: Tensor) -> Tensor:
    """Pixels `[N, C * H * W]` as a representation; images above 16 pixels are averaged down.

    More would cost a CPU longer than an epoch: a linear head on 3072 pixels of 50,000 images.
    """
    size = min(image.shape[-2], 16), min(image.shape[-1], 16)
    return torch.nn.functional.adaptive_avg_pool2d(image.float(), size).flatten(1)


class Summary(Callback):
    """Prints probe scores of raw pixels, the untrained and the trained encoder after a fit.

    The first two are measured before the first step, by the same probes on the same images. Below
    the table stand the files that were written.

    Args:
        baselines: measure raw pixels and the untrained encoder; False keeps the trained encoder's
            row alone.
    """

    def __init__(self, baselines: bool = True) -> None:
        self.baselines = baselines
        self.scores: dict[str, dict[str, float]] = {}
        self.files: dict[str, str] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure what training starts from; a resumed run remembers it."""
        if not self.baselines or self.scores or trainer.global_step or is_trial(trainer):
            return
        if any(_loaders(trainer, probe) for probe in probes(trainer)):
            pl_module.print("before training: probes of raw pixels and of the untrained encoder")
        for row in (RAW, UNTRAINED):
            known: dict[Any, Features] = {}
            self.scores[row] = {}
            for probe in probes(trainer):
                loaders = _loaders(trainer, probe)
                if loaders is None:
                    continue
                encode = raw_pixels if row == RAW else probe.representation.of(pl_module)
                kind = None if row == RAW else probe.representation
                for loader, batches in loaders:
                    if (id(loader), kind) not in known:
                        found = extract(trainer, pl_module, loader, encode, batches)
                        known[id(loader), kind] = found
                bank, queries = (known[id(loader), kind] for loader, _ in loaders)
                self.scores[row] |= probe.score(trainer, bank, queries, fresh=True)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Print the table and the files, after all callbacks wrote theirs."""
        if stage != "fit":
            return
        self.files = files_of(trainer)
        self.scores = self.rows(trainer)
        if trainer.is_global_zero and not is_trial(trainer):
            console = Console(width=80)
            names = score_names(trainer)
            if any(self.scores.values()):
                console.print(rich_table(self.scores, names))
                steps = {probe.step for probe in probes(trainer) if probe.scores}
                if steps != {trainer.global_step}:
                    earlier = ", ".join(map(str, sorted(steps)))
                    last = f"training ended at step {trainer.global_step}"
                    console.print(f"{TRAINED}: scores of step {earlier}; {last}")
            if self.files:
                console.print(file_list(self.files))

    def rows(self, trainer: pl.Trainer) -> dict[str, dict[str, float]]:
        """Scores by representation, the trained encoder's as they are now."""
        trained = {name: s for probe in probes(trainer) for name, s in probe.scores.items()}
        return self.scores | ({TRAINED: trained} if trained else {})

    def state_dict(self) -> dict[str, Any]:
        """Scores of what training started from."""
        return {"scores": {row: s for row, s in self.scores.items() if row != TRAINED}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember them in a resumed run."""
        self.scores = {row: dict(s) for row, s in state_dict["scores"].items()}


def probes(trainer: pl.Trainer) -> list[Probe]:
    """The probes of a trainer."""
    return [c for c in trainer.callbacks if isinstance(c, Probe)]  # type: ignore[attr-defined]


def score_names(trainer: pl.Trainer) -> list[str]:
    """The main score of each probe, as it was logged last."""
    return [next(iter(probe.scores), probe.name) for probe in probes(trainer)]


def _loaders(trainer: pl.Trainer, probe: Probe) -> list[tuple[Any, int | None]] | None:
    """Loaders of a probe's bank and queries, with the batches to read; None if it cannot run."""
    if not probe.applies(trainer):
        return None
    if probe.queries is not None:
        queries: tuple[Any, int | None] = probe.queries, None
    else:
        limit = trainer.num_val_batches
        batches = limit[0] if isinstance(limit, list) and limit else limit
        whole = isinstance(batches, list) or batches == float("inf")
        queries = loop_loader(trainer), None if whole else int(batches)  # type: ignore[arg-type]
    if queries[0] is None or (not trainer.enable_validation and probe.queries is None):
        return None
    return [(probe.bank_loader(trainer), None), queries]


def score_table(
    scores: dict[str, dict[str, float]], names: list[str]
) -> tuple[list[str], list[list[str]]]:
    """Head and rows, in percent; the trained encoder comes last."""
    short = [name.split("/", 1)[-1].removesuffix("_top1") for name in names]
    head = ["representation", *({"knn": "kNN"}.get(name, name) for name in short)]
    rows = []
    for row in (RAW, UNTRAINED, TRAINED):
        if scores.get(row):
            found = [scores[row].get(name) for name in names]
            cells = ["–" if value is None else f"{100 * value:.2f}" for value in found]
            rows.append([row, *cells])
    return head, rows


def rich_table(scores: dict[str, dict[str, float]], names: list[str]) -> Table:
    """Rows of representations, columns of scores."""
    head, rows = score_table(scores, names)
    made = Table(title="Probe scores, top-1 in %", title_justify="left", title_style="bold")
    for place, name in enumerate(head):
        made.add_column(name, justify="right" if place else "left")
    for row in rows:
        made.add_row(*row, style="bold" if row[0] == TRAINED else "")
    return made


def file_list(files: dict[str, str]) -> Table:
    """What was written, and where."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for kind, path in files.items():
        made.add_row(kind, path)
    return made


def files_of(trainer: pl.Trainer) -> dict[str, str]:
    """Paths of what a fit wrote, by kind; every process must ask."""
    folder = run_directory(trainer)
    found: dict[str, str] = {}
    for checkpoint in trainer.checkpoint_callbacks:
        paths = [
            getattr(checkpoint, "last_model_path", ""),
            getattr(checkpoint, "best_model_path", ""),
        ]
        for path in filter(None, paths):
            found.setdefault("checkpoint", _short(Path(path)))
    if (folder / "config.yaml").exists():
        found["config"] = _short(folder / "config.yaml")
    files = written_files(trainer)
    figures = [path for path in files if path.parent.name == "figures"]
    if figures:
        names = ", ".join(path.name for path in figures)
        found["figures"] = f"{_short(figures[0].parent)}/: {names}"
    for path in files:
        if path not in figures:
            found[path.stem.replace("_", " ")] = _short(path)
    if trainer.logger is not None and folder.exists():
        found["logs"] = _short(folder)
    return found


def _short(path: Path) -> str:
    path = path.absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
