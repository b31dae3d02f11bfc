"""The figure of features on a plane, colored by class."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.figure import Figure

from .style import MUTED, bare, class_colors, style

Method = Literal["pca", "tsne", "umap"]
METHODS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}


def project(value: np.ndarray, method: Method, seed: int = 0) -> np.ndarray:
    """Features `[N, F]` on a plane `[N, 2]`.

    Raises:
        ModuleNotFoundError: For "umap", if umap-learn is not installed.
        ValueError: If the method is not known.
    """
    if method == "pca":
        centered = value - value.mean(0)
        if len(value) < 2 or value.shape[1] < 2:
            return np.pad(centered, ((0, 0), (0, 2)))[:, :2]
        axes = np.linalg.svd(centered, full_matrices=False)[2][:2]
        axes *= np.sign(axes[np.arange(2), np.abs(axes).argmax(1)])[:, None]
        return centered @ axes.T
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
                "method='tsne' or 'pca'"
            ) from error
        return np.asarray(UMAP(random_state=seed, n_jobs=1).fit_transform(value))
    raise ValueError(f"method={method!r} is not known; use 'pca', 'tsne' or 'umap'")


def draw_map(
    plane: np.ndarray, target: np.ndarray, title: str, class_names: Sequence[str] = ()
) -> Figure:
    """Scatter of points `[N, 2]`; those without a label (-1) are gray.

    Args:
        plane: `[N, 2]`.
        target: `[N]`, -1 without label.
        title: What is shown.
        class_names: Names of classes; their numbers if there are none.
    """
    classes = [int(c) for c in np.unique(target) if c >= 0]
    colors = class_colors(max(classes, default=0) + 1)
    size = float(np.clip(6000 / max(len(plane), 1), 4, 22))
    with style():
        figure = Figure(figsize=(5.6, 4.6), layout="constrained")
        axes = figure.subplots()
        bare(axes)
        axes.set_title(title)
        # one scatter, so that no class hides behind the one drawn after it
        point_colors = [colors[int(c)] if c >= 0 else "#c3ccd4" for c in target]
        axes.scatter(plane[:, 0], plane[:, 1], s=size, c=point_colors, alpha=0.75, linewidths=0)
        axes.margins(0.03)
        if 1 < len(classes) <= 20:
            for c in classes:
                name = class_names[c] if c < len(class_names) else str(c)
                axes.scatter([], [], s=28, color=colors[c], label=name)
            axes.legend(
                loc="center left",
                bbox_to_anchor=(1.0, 0.5),
                labelcolor=MUTED,
                handletextpad=0.2,
                fontsize=8,
            )
    return figure
