"""One HTML page about a run that needs nothing else: no network, no files beside it."""

import base64
import html
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import yaml
from pytorch_lightning.callbacks import Callback

from .plotting.style import is_trial, run_directory, written_files
from .summary import Summary, score_names, score_table

PACKAGES = ("metaug", "torch", "torchvision", "pytorch-lightning", "timm", "numpy")
TITLES = {
    "training_curves": "Training curves",
    "feature_map": "Map of the representation",
    "feature_map_tsne": "Map of the representation, t-SNE",
    "feature_map_umap": "Map of the representation, UMAP",
    "views_grid": "What training sees",
    "generator": "What the augmentation generator does",
}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ --ink: #22303c; --muted: #6b7a88; --line: #e6eaee; --wash: #f6f8fa; }}
body {{ margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }}
h1 {{ font-size: 1.6rem; margin: 0; }}
h2 {{ font-size: 1.1rem; margin: 2.4rem 0 .6rem; }}
p.lead {{ color: var(--muted); margin: .2rem 0 0; }}
img {{ max-width: 100%; max-height: 30rem; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left; }}
th {{ color: var(--muted); font-weight: 500; }}
td.number, th.number {{ text-align: right; }}
tr.best td {{ font-weight: 650; }}
pre {{ background: var(--wash); border: 1px solid var(--line); border-radius: 6px; padding: .8rem;
  overflow-x: auto; font-size: .85rem; line-height: 1.45; }}
summary {{ cursor: pointer; color: var(--muted); }}
@media print {{ details {{ display: block; }} }}
</style></head><body>
<h1>{title}</h1>
<p class="lead">{lead}</p>
{body}
</body></html>
"""


def picture_section(path: Path) -> str:
    """A figure, embedded."""
    title = html.escape(TITLES.get(path.stem, path.stem.replace("_", " ")))
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<h2>{title}</h2>\n<img alt="{title}" src="data:image/png;base64,{data}">'


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, last_is_best: bool) -> str:
    """A table whose first column is text and whose others are numbers."""
    kinds = [""] + [' class="number"'] * (len(head) - 1)

    def cells(tag: str, values: Sequence[str]) -> str:
        pairs = zip(kinds, values, strict=True)
        return "".join(f"<{tag}{kind}>{html.escape(value)}</{tag}>" for kind, value in pairs)

    lines = [f"<table><thead><tr>{cells('th', head)}</tr></thead><tbody>"]
    for place, row in enumerate(rows):
        best = ' class="best"' if last_is_best and place == len(rows) - 1 else ""
        lines.append(f"<tr{best}>{cells('td', row)}</tr>")
    return "\n".join([*lines, "</tbody></table>"])


def folded(title: str, text: str) -> str:
    """Text that opens on a click."""
    return f"<details><summary>{html.escape(title)}</summary>{code(text)}</details>"


def code(text: str) -> str:
    """Text as it is."""
    return f"<pre>{html.escape(text)}</pre>"


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide numbers."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def command_line() -> str:
    """The command that started this process."""
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    return shlex.join([program, *sys.argv[1:]])


def render(
    title: str,
    lead: str,
    *,
    scores: tuple[Sequence[str], Sequence[Sequence[str]]],
    metrics: Mapping[str, float],
    figures: Sequence[Path],
    config: str,
    command: str,
) -> str:
    """The page.

    Args:
        title: the run's name.
        lead: what it was, in a line.
        scores: head and rows of the score table.
        metrics: the latest value of everything that was logged.
        figures: PNG files to embed.
        config: the run's configuration, as text.
        command: what started the run.
    """
    parts = []
    if scores[1]:
        parts += ["<h2>Probe scores, top-1 in %</h2>", html_table(*scores, last_is_best=True)]
    parts += [picture_section(path) for path in figures]
    if metrics:
        rows = [(name, f"{value:.5g}") for name, value in sorted(metrics.items())]
        parts.append("<h2>Latest values</h2>")
        parts.append(html_table(("name", "value"), rows, last_is_best=False))
    parts += ["<h2>To reproduce</h2>", code(command)]
    if config:
        parts.append(folded("configuration", config))
    rows = list(versions().items())
    parts += ["<h2>Versions</h2>", html_table(("package", "version"), rows, last_is_best=False)]
    return PAGE.format(title=html.escape(title), lead=html.escape(lead), body="\n".join(parts))


class Report(Callback):
    """Writes `<run>/report.html` after a fit, a validation or a test.

    Scores, curves and other figures, configuration, versions and command on one page that can be
    sent or kept.

    Args:
        title: heading of the page; the run's folder if None.
    """

    def __init__(self, title: str | None = None) -> None:
        self.title = title
        self.written: list[Path] = []

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write on rank zero."""
        self.write(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """After a validation of its own, not one within a fit."""
        if trainer.state.fn == "validate":
            self.write(trainer, pl_module)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """After a test."""
        self.write(trainer, pl_module)

    def write(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the page; every process must come here."""
        folder = run_directory(trainer)
        if not trainer.is_global_zero or is_trial(trainer):
            return
        datamodule: Any = getattr(trainer, "datamodule", None)
        data = type(datamodule).__name__ if datamodule is not None else "loaders"
        page = render(
            self.title or f"{folder.parent.name} / {folder.name}",
            f"{type(pl_module).__name__} on {data}, {trainer.current_epoch} epochs, "
            f"{trainer.global_step} steps, {trainer.num_devices * trainer.num_nodes} process(es)",
            scores=_scores(trainer),
            metrics={name: float(value) for name, value in trainer.callback_metrics.items()},
            figures=[path for path in written_files(trainer) if path.suffix == ".png"],
            config=_config(folder, pl_module),
            command=command_line(),
        )
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "report.html"
        path.write_text(page, encoding="utf-8")
        self.written = [path]


def _scores(trainer: pl.Trainer) -> tuple[list[str], list[list[str]]]:
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    summary = next((c for c in callbacks if isinstance(c, Summary)), Summary())
    return score_table(summary.rows(trainer), score_names(trainer))


def _config(folder: Path, pl_module: pl.LightningModule) -> str:
    written = folder / "config.yaml"
    if written.exists():
        return written.read_text(encoding="utf-8")
    plain = {name: str(value) for name, value in dict(pl_module.hparams).items()}
    return yaml.safe_dump(plain) if plain else ""
