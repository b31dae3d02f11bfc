"""One row of the learning run, in a process of its own beside the others.

Several rows share the GPU, which a single one leaves idle while Python prepares its next step. Each
says `@ready` when it is built, its pace when told `time`, and trains the epochs it is told.
"""

import argparse
import contextlib
import sys
import time
from typing import Any

import pytorch_lightning as pl
import torch
from metaug.callbacks import CollapseMonitor, KNNProbe, LinearProbe
from metaug.lightning_modules import MetAug

from ..context import Context
from ..images import PreparedImages
from ..problems import quiet_trainer
from ..recipe import METHODS, build, model_arguments
from ..records import append
from ..worker import add_context, context_of


def build_row(context: Context, row: str, epochs: int, lr: float) -> MetAug:
    """A row: `cifar10.yaml` by a method; the same encoder, optimizer and rate.

    Args:
        context: Where it runs.
        row: One of `METHODS`.
        epochs: Of the run, to which the warm-up is fitted.
        lr: The encoder's rate.
    """
    given = model_arguments(context.smoke, row)
    given["encoder_optimizer"] |= {"lr": lr, "warmup_epochs": min(1.0, 0.1 * epochs)}
    return build(given)


class Track(pl.Callback):
    """Records every epoch's loss and pace, and the scores of probes that are new.

    Args:
        context: Where it runs.
        row: The row.
        probes: Probes that come before this among the callbacks.
    """

    def __init__(self, context: Context, row: str, probes: list[Any]) -> None:
        self.context, self.row, self.probes = context, row, probes
        self.known: dict[str, float] = {}

    def on_train_epoch_start(self, *_: Any) -> None:
        """Note the time."""
        self.start = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Append the epoch."""
        scores = {name: 100 * s for probe in self.probes for name, s in probe.scores.items()}
        fresh = {name: score for name, score in scores.items() if self.known.get(name) != score}
        self.known = scores
        logged = trainer.callback_metrics
        record = {
            "part": "learn",
            "task": self.row,
            "ok": True,
            "epoch": trainer.current_epoch + 1,
            "epoch_s": time.perf_counter() - self.start,
            **{
                name: float(logged[name])
                for name in ("train/loss", "train/meta_gap")
                if name in logged
            },
            **fresh,
        }
        append(self.context.out, record)


class Row:
    """The runs of one row.

    Args:
        context: Where it runs.
        arguments: Of the command line.
    """

    def __init__(self, context: Context, arguments: argparse.Namespace) -> None:
        self.context = context
        self.name: str = arguments.row
        self.batch: int = context.sized(arguments.batch, 16)
        self.lr: float = arguments.lr
        self.seed: int = arguments.seed

    def data(self) -> PreparedImages:
        """The images, whose views are made on the device."""
        return PreparedImages(
            str(self.context.images),
            batch_size=self.batch,
            eval_batch_size=1000,
            num_workers=0,
            augment_on="device",
            seed=self.seed,
        )

    def trainer(self, **settings: Any) -> pl.Trainer:
        """A quiet trainer without a validation loop; in float32 on a CPU, where it is faster."""
        precision = "bf16-mixed" if self.context.on_gpu else "32-true"
        return quiet_trainer(self.context, precision=precision, limit_val_batches=0, **settings)

    def time_epoch(self, steps: int) -> float:
        """Seconds of an epoch, by the first steps of a run that is thrown away."""
        module, data = build_row(self.context, self.name, 1, 0.01), self.data()
        start = time.perf_counter()
        self.trainer(max_epochs=-1, max_steps=steps).fit(module, datamodule=data)
        per_step = (time.perf_counter() - start) / steps
        return per_step * self.context.sized(50_000 // self.batch, 1)

    def train(self, epochs: int) -> dict[str, Any]:
        """Train and score the last epoch.

        Args:
            epochs: How many.
        """
        pl.seed_everything(self.seed, verbose=False)
        module, data = build_row(self.context, self.name, epochs, self.lr), self.data()
        queries = data.test_dataloader()
        knn = KNNProbe(k=200, queries=queries, every_n_epochs=max(1, epochs // 6))
        linear = LinearProbe(max_iterations=200, queries=queries, every_n_epochs=epochs)
        monitor = CollapseMonitor(queries=queries, every_n_epochs=epochs)
        track = Track(self.context, self.name, [knn, linear])
        limit = self.context.sized({}, {"limit_train_batches": 2})
        start = time.perf_counter()
        trainer = self.trainer(max_epochs=epochs, callbacks=[knn, linear, monitor, track], **limit)
        trainer.fit(module, datamodule=data)
        return {
            "epochs": epochs,
            "batch": self.batch,
            "lr": self.lr,
            "seed": self.seed,
            "training_s": time.perf_counter() - start,
            "knn_top1": 100 * knn.scores["val/knn_top1"],
            "linear_top1": 100 * linear.scores["val/linear_top1"],
            "rank": monitor.latest.get("representation/rank"),
        }


def main() -> None:
    """Answer the driver, line by line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("row", choices=METHODS)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=0.12)
    parser.add_argument("--seed", type=int, default=0)
    add_context(parser)
    arguments = parser.parse_args()
    context = context_of(arguments)
    if not context.smoke:
        torch.set_num_threads(3)
    row = Row(context, arguments)
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        row.time_epoch(context.sized(20, 2))  # warms up
        print("@ready", file=answers, flush=True)
        sys.stdin.readline()
        print(f"@pace {row.time_epoch(context.sized(80, 2))}", file=answers, flush=True)
        result = row.train(int(sys.stdin.readline().split()[1]))
        task = f"{arguments.row} result"
        append(context.out, {"part": "learn", "task": task, "ok": True, **result})
        print("@done", file=answers, flush=True)


if __name__ == "__main__":
    main()
