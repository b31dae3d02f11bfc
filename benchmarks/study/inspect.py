"""What the generator does while a row trains: similarities, margins, collapse, the meta-gradient.

    python -m benchmarks.study.inspect --data FOLDER --row metaug --epochs 10

At the end of chosen epochs, on one training batch: means of positive and of the hardest negative
similarities (original pairs, pairs with an augmented feature), the share of hinges of the
regularization that are active, the cosine between a feature and its augmentation, the shift that
all augmented features of a view have in common, the standard deviation and effective rank of the
augmented features, and, at several rates alpha, how far the exact meta-gradient is from the plain
gradient (gap) and `lookahead` from the exact one (error). The row need not have a margin to be
measured against it. Prints a table, and writes it and the distributions to
`benchmarks/study/results/inspect-ROW.md` and a figure.
"""

import argparse
import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from metaug.callbacks.plotting.generator import draw_generator
from metaug.callbacks.plotting.history import History
from metaug.callbacks.plotting.style import style
from metaug.callbacks.probing.representation_metrics import effective_rank, feature_std
from metaug.lightning_modules import MarginRegularization, MetAug
from metaug.lightning_modules.meta_gradient import meta_gradient, relative_distance
from metaug.lightning_modules.networks.functional_encoder import FunctionalEncoder
from metaug.lightning_modules.objectives import PairSet, form_pairs
from metaug.lightning_modules.objectives.row_blocks import BatchObjective
from torch import Tensor
from torch.nn.functional import cosine_similarity

from .data import StudyData
from .rows import HERE, Rows, build
from .training import Budget

RATES = (1e-3, 1e-2, 5e-2, 0.2, 1.0)


def similarities(pairs: PairSet, name: str) -> dict[str, float]:
    """Mean positive, mean negative and mean hardest negative similarity."""
    valid = pairs.valid.expand_as(pairs.negative)
    hardest = pairs.mask_negatives(pairs.negative).amax(dim=(0, 2))
    return {
        f"positive, {name}": float(pairs.positive.mean()),
        f"negative, {name}": float(pairs.negative[valid].mean()),
        f"hardest negative, {name}": float(hardest.mean()),
    }


def shifts(features: Tensor, augmented: Tensor) -> dict[str, float]:
    """How much of what the generator adds is the same for all instances, and how views differ."""
    added = augmented - features
    shift = added.mean(dim=0)  # [V, D]
    length = added.norm(dim=-1).mean()
    return {
        "length of the mean feature": float(features.mean(dim=(0, 1)).norm()),
        "length of what is added": float(length),
        "share that all instances have in common": float(shift.norm(dim=-1).mean() / length),
        "cosine of two views' common shifts": float(cosine_similarity(shift[0], shift[1], dim=0)),
    }


def hinges(pairs: PairSet, kind: Any) -> dict[str, float]:
    """Share of the pairs with an augmented feature on which R has a gradient."""
    upper, lower = MarginRegularization(kind).margins(pairs)
    augmented = pairs.augmented()
    valid = augmented.valid.expand_as(augmented.negative)
    return {
        f"m+ ({kind})": float(upper.mean()),
        f"m- ({kind})": float(lower.mean()),
        f"R active on positives ({kind})": float((augmented.positive > upper).float().mean()),
        f"R active on negatives ({kind})": float(
            (augmented.negative < lower[:, None])[valid].float().mean()
        ),
    }


def meta_parts(module: MetAug, views: list[Tensor]) -> dict[str, float]:
    """Gap of the exact meta-gradient and error of `lookahead`, at every rate."""
    duplicate = copy.deepcopy(module)
    assert duplicate.generator is not None
    named = dict(duplicate.encoder.named_parameters())
    encode = FunctionalEncoder(duplicate.encoder, list(named), views)
    count = len(views[0])
    found = {}
    for rate in RATES:
        both = []
        for engine in ("exact", "lookahead"):
            objective = BatchObjective(duplicate.objective, duplicate.generator, count, len(views))
            both.append(
                meta_gradient(
                    encode,
                    list(named.values()),
                    objective.inner,
                    list(duplicate.generator.parameters()),
                    rate,
                    engine,  # type: ignore[arg-type]
                    outer_objective=objective.outer,
                )
            )
        found[f"meta gap at alpha {rate:g}"] = float(both[0].gap)
        error = relative_distance(both[1].generator, both[0].generator)
        found[f"lookahead error at alpha {rate:g}"] = float(error)
    return found


class Inspector(pl.Callback):
    """Measures at the end of epochs."""

    def __init__(self, epochs: Iterable[int]) -> None:
        self.epochs = set(epochs)
        self.found: dict[int, dict[str, float]] = {}
        self.pairs: PairSet | None = None
        self.cosine: Tensor | None = None
        self.history = History()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record the meta gap; measure on the last batch of the epoch."""
        gap = trainer.callback_metrics["train/meta_gap"]
        self.history.add("meta_gap", trainer.global_step, gap)
        epoch = trainer.current_epoch + 1
        if not trainer.is_last_batch or epoch not in self.epochs:
            return
        module = copy.deepcopy(pl_module)
        with torch.no_grad():
            features = module.features(batch.views)
            augmented = module.augment(features)
        self.pairs = form_pairs(features, augmented)
        self.cosine = (features * augmented).sum(-1)
        self.history.add("cosine", trainer.global_step, self.cosine.mean())
        found = {
            "cosine of feature and augmentation": float(self.cosine.mean()),
            **shifts(features, augmented),
            **similarities(self.pairs.original(), "original"),
            **similarities(self.pairs.augmented(), "augmented"),
        }
        for kind in ("large", "small", "mean"):
            found |= hinges(self.pairs, kind)
        for name, each in (("features", features), ("augmented", augmented)):
            found[f"std, {name}"] = float(feature_std(each.flatten(0, 1)))
            found[f"effective rank, {name}"] = float(effective_rank(each.flatten(0, 1)))
        self.found[epoch] = found | meta_parts(module, list(batch.views))


def table(found: dict[int, dict[str, float]]) -> list[str]:
    """Quantities by epoch."""
    epochs = list(found)
    lines = ["| | " + " | ".join(f"epoch {epoch}" for epoch in epochs) + " |"]
    lines.append("|---|" + "--:|" * len(epochs))
    for name in found[epochs[0]]:
        lines.append(f"| {name} | " + " | ".join(f"{found[e][name]:.3g}" for e in epochs) + " |")
    return lines


def main() -> None:
    """Train a row and look."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--row", default="metaug")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--images-per-class", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rows-file", type=Path, default=HERE / "rows.yaml")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    arguments = parser.parse_args()
    budget = Budget(arguments.images_per_class, arguments.epochs, batch_size=arguments.batch)
    data = StudyData(arguments.data, budget.images_per_class, 32, budget.batch_size, arguments.seed)
    settings = Rows(arguments.rows_file).settings(arguments.row)
    module = build(settings, budget.encoder, arguments.seed)
    if getattr(module, "generator", None) is None:
        parser.error(f"row {arguments.row} has no generator to look at")
    inspector = Inspector({1, (arguments.epochs + 1) // 2, arguments.epochs})
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=arguments.epochs,
        callbacks=[inspector],
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    pl.seed_everything(arguments.seed, verbose=False)
    trainer.fit(module, datamodule=data)
    lines = table(inspector.found)
    print("\n".join(lines))
    arguments.out.mkdir(parents=True, exist_ok=True)
    command = (
        "python -m benchmarks.study.inspect --data FOLDER "
        f"--row {arguments.row} --epochs {budget.epochs} --seed {arguments.seed}"
    )
    page = [f"# The generator of row {arguments.row}", "", f"- command: `{command}`", "", *lines]
    (arguments.out / f"inspect-{arguments.row}.md").write_text("\n".join([*page, ""]))
    assert inspector.pairs is not None
    assert inspector.cosine is not None
    margins = MarginRegularization("large").margins(inspector.pairs)
    figure = draw_generator(
        inspector.pairs,
        margins,
        inspector.cosine,
        inspector.history,
        f"epoch {arguments.epochs}",
    )
    with style():
        figure.savefig(arguments.out / f"inspect-{arguments.row}.png")


if __name__ == "__main__":
    main()
