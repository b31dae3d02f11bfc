"""The table at the end of a fit: what training was worth, and where its files are."""

from typing import Any

import pytorch_lightning as pl
import torch
from metaug.lightning_modules.evaluation.features import extract
from metaug.lightning_modules.evaluation.labeled import Features
from pytorch_lightning.callbacks import Callback
from rich.console import Console
from torch import Tensor, nn

from .artifacts.run_files import files_of, is_trial
from .artifacts.score_table import AT_START, RAW, TRAINED, UNTRAINED, file_list, rich_table
from .probing.feature_store import loop_loader
from .probing.probe import Probe


def raw_pixels(image: Tensor) -> Tensor:
    """Pixels `[N, C * H * W]` as a representation; images above 16 pixels are averaged down.

    More would cost a CPU longer than an epoch: a linear head on 3072 pixels of 50,000 images.
    """
    size = min(image.shape[-2], 16), min(image.shape[-1], 16)
    return torch.nn.functional.adaptive_avg_pool2d(image.float(), size).flatten(1)


class Summary(Callback):
    """Prints probe scores of raw pixels, the untrained and the trained encoder after a fit.

    The first two are measured before the first step, by the same probes on the same images. An
    encoder that starts from weights is no untrained one: its row is the encoder at the start. Below
    the table stand the files that were written.

    Args:
        baselines: Measure raw pixels and the untrained encoder; False keeps the trained encoder's
            row alone.

    Examples:
        >>> Summary(baselines=False).state_dict()
        {'scores': {}}
    """

    def __init__(self, baselines: bool = True) -> None:
        self.baselines = baselines
        self.scores: dict[str, dict[str, float]] = {}
        self.files: dict[str, str] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure what training starts from; a resumed run remembers it."""
        if not self.baselines or self.scores or trainer.global_step or is_trial(trainer):
            return
        start = AT_START if starts_from_weights(pl_module) else UNTRAINED
        if any(_loaders(trainer, probe) for probe in probes(trainer)):
            pl_module.print(f"before training: probes of raw pixels and of the {start}")
        for row in (RAW, start):
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
                        features = extract(trainer, pl_module, loader, encode, batches)
                        known[id(loader), kind] = features
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
                scored = [probe.step for probe in probes(trainer) if probe.scores]
                steps = {step for step in scored if step >= 0}
                if steps and steps != {trainer.global_step}:
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


def starts_from_weights(module: nn.Module) -> bool:
    """Whether a part of a module says by its `pretrained` that it does, as `Encoder` does."""
    return any(getattr(part, "pretrained", False) is True for part in module.modules())


def probes(trainer: pl.Trainer) -> list[Probe]:
    """The probes of a trainer."""
    return [c for c in trainer.callbacks if isinstance(c, Probe)]  # type: ignore[attr-defined]


def score_names(trainer: pl.Trainer) -> list[str]:
    """The main score of each probe, as it was logged last."""
    return [next(iter(probe.scores), probe.name) for probe in probes(trainer)]


def _loaders(trainer: pl.Trainer, probe: Probe) -> list[tuple[Any, int | None]] | None:
    """Loaders of a probe's bank and queries, with the batches to read; None if it cannot run."""
    if not probe.has_required_data(trainer):
        return None
    if probe.queries is not None:
        queries: tuple[Any, int | None] = probe.queries, None
    else:
        limit = trainer.num_val_batches
        batches = limit[0] if isinstance(limit, list) and limit else limit
        unlimited = isinstance(batches, list) or batches == float("inf")
        queries = loop_loader(trainer), None if unlimited else int(batches)  # type: ignore[arg-type]
    if queries[0] is None or (not trainer.enable_validation and probe.queries is None):
        return None
    return [(probe.bank_loader(trainer), None), queries]
