"""Figure: a map of the representation in two dimensions, coloured by class."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
from matplotlib.figure import Figure
from metaug.lightning_modules.evaluation.spread import spread_sample

from .plotting.style import MUTED, bare, class_colours, publish, style
from .probing.evaluation_callback import EvaluationCallback

Method = Literal["pca", "tsne", "umap"]


def project(value: np.ndarray, method: Method, seed: int = 0) -> np.ndarray:
    """Features `[N, F]` on a plane `[N, 2]`.

    Raises:
        ModuleNotFoundError: for "umap", if umap-learn is not installed.
        ValueError: if the method is not known.
    """
    if method == "pca":
        centred = value - value.mean(0)
        if len(value) < 2 or value.shape[1] < 2:
            return np.pad(centred, ((0, 0), (0, 2)))[:, :2]
        axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
        axes *= np.sign(axes[np.arange(2), np.abs(axes).argmax(1)])[:, None]
        return centred @ axes.T
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30, max(1, (len(value) - 1) / 3))
        plane = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(value)
        return np.asarray(plane)
    if method == "umap":
        try:
            from umap import UMAP
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "method='umap' needs the package umap-learn: pip install umap-learn, or use "
                "method='tsne' or 'pca'."
            ) from error
        return np.asarray(UMAP(random_state=seed, n_jobs=1).fit_transform(value))
    raise ValueError(f"method={method!r} is not known; use 'pca', 'tsne' or 'umap'.")


def draw_map(
    plane: np.ndarray, target: np.ndarray, title: str, class_names: Sequence[str] = ()
) -> Figure:
    """Scatter of points `[N, 2]`; those without a label (-1) are grey.

    Args:
        plane: `[N, 2]`.
        target: `[N]`, -1 without label.
        title: what is shown.
        class_names: names of classes; their numbers if there are none.
    """
    classes = [int(c) for c in np.unique(target) if c >= 0]
    colours = class_colours(max(classes, default=0) + 1)
    size = float(np.clip(6000 / max(len(plane), 1), 4, 22))
    with style():
        figure = Figure(figsize=(5.6, 4.6), layout="constrained")
        axes = figure.subplots()
        bare(axes)
        axes.set_title(title)
        # one scatter, so that no class hides behind the one drawn after it
        shown = [colours[int(c)] if c >= 0 else "#c3ccd4" for c in target]
        axes.scatter(plane[:, 0], plane[:, 1], s=size, c=shown, alpha=0.75, linewidths=0)
        axes.margins(0.03)
        if 1 < len(classes) <= 20:
            for c in classes:
                name = class_names[c] if c < len(class_names) else str(c)
                axes.scatter([], [], s=28, color=colours[c], label=name)
            axes.legend(
                loc="center left",
                bbox_to_anchor=(1.0, 0.5),
                labelcolor=MUTED,
                handletextpad=0.2,
                fontsize=8,
            )
    return figure


class FeatureMap(EvaluationCallback):
    """Draws `figures/feature_map.png`: the representation of validation images on a plane.

    Args:
        method: "pca" (at once), "tsne" (scikit-learn) or "umap" (needs umap-learn).
        max_points: most images shown, spread evenly over the data set.
        queries: images to show, a loader of `(image, target)` or `(image, target, index)`; the
            validation loop's if None. With a loader no validation loop is needed.
        every_n_epochs: epochs between drawings; the last epoch is always drawn.
        seed: of the projection.
    """

    def __init__(
        self,
        method: Method = "pca",
        max_points: int = 2000,
        queries: Iterable[Any] | None = None,
        every_n_epochs: int = 10,
        seed: int = 0,
    ) -> None:
        super().__init__(queries=queries, every_n_epochs=every_n_epochs)
        if method not in ("pca", "tsne", "umap"):
            raise ValueError(f"method={method!r} is not known; use 'pca', 'tsne' or 'umap'.")
        if max_points < 2:
            raise ValueError(f"max_points={max_points} must be 2 or above.")
        self.method: Method = method
        self.max_points = max_points
        self.seed = seed
        self.written: list[Path] = []

    def evaluate(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather a spread of the features and draw them on rank zero."""
        features = self.query_features(trainer, pl_module)
        chosen = spread_sample(features, self.max_points)
        name = "feature_map" if self.method == "pca" else f"feature_map_{self.method}"
        figure = Figure()
        drawable = len(chosen.value) > 1 and bool(chosen.value.isfinite().all())
        if not drawable:
            self.warn_once(f"FeatureMap is skipped: {len(chosen.value)} images, or not finite.")
            return
        if trainer.is_global_zero:
            plane = project(chosen.value.double().cpu().numpy(), self.method, self.seed)
            title = f"{ {'pca': 'PCA', 'tsne': 't-SNE', 'umap': 'UMAP'}[self.method] } of the "
            title += f"representation, epoch {trainer.current_epoch}"
            names = getattr(getattr(trainer, "datamodule", None), "class_names", None) or ()
            figure = draw_map(plane, chosen.target.cpu().numpy(), title, names)
        path = publish(trainer, figure, name)
        self.written = [path] if path else []
