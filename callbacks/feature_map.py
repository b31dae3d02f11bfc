"""Figure: a map of the representation in two dimensions, colored by class."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from matplotlib.figure import Figure
from metaug.lightning_modules.evaluation.features import evenly_spaced_sample
from metaug.lightning_modules.evaluation.precision import in_double

from .artifacts.run_files import publish
from .plotting.projection import METHODS, Method, draw_map, project
from .probing.evaluation_callback import EvaluationCallback


class FeatureMap(EvaluationCallback):
    """Draws `figures/feature_map.png`: the representation of validation images on a plane.

    Args:
        method: "pca" (at once), "tsne" (scikit-learn) or "umap" (needs umap-learn).
        max_points: Most images shown, evenly spaced over the data set.
        every_n_epochs: Epochs between drawings; the last epoch is always drawn.
        seed: Seed of the projection.
        kwargs: `queries`, the images to show, a loader of `(image, target)` or
            `(image, target, index)`; the validation loop's if None.

    Examples:
        >>> FeatureMap("tsne", every_n_epochs=50).max_points
        2000
    """

    def __init__(
        self,
        method: Method = "pca",
        max_points: int = 2000,
        every_n_epochs: int = 10,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs, **kwargs)
        if method not in METHODS:
            raise ValueError(f"method={method!r} is not known; use 'pca', 'tsne' or 'umap'")
        if max_points < 2:
            raise ValueError(f"max_points={max_points}, but it must be 2 or above")
        self.method: Method = method
        self.max_points = max_points
        self.seed = seed
        self.written: list[Path] = []

    def evaluate(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather a sample of the features and draw it on rank zero."""
        features = self.query_features(trainer, pl_module)
        sample = evenly_spaced_sample(features, self.max_points)
        name = "feature_map" if self.method == "pca" else f"feature_map_{self.method}"
        figure = Figure()
        drawable = len(sample.value) > 1 and bool(sample.value.isfinite().all())
        if not drawable:
            self.warn_once(f"FeatureMap is skipped: {len(sample.value)} images, or not finite.")
            return
        if trainer.is_global_zero:
            plane = project(in_double(sample.value).cpu().numpy(), self.method, self.seed)
            title = f"{METHODS[self.method]} of the representation, epoch {trainer.current_epoch}"
            names = getattr(getattr(trainer, "datamodule", None), "class_names", None) or ()
            figure = draw_map(plane, sample.target.cpu().numpy(), title, names)
        self.written = publish(trainer, figure, name)
