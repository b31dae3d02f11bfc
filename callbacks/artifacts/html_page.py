"""One HTML page about a run that needs nothing else: no network, no files beside it."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

from .page_parts import environment
from .score_table import trained_is_best

TITLES = {
    "training_curves": "Training curves",
    "feature_map": "Map of the representation",
    "feature_map_tsne": "Map of the representation, t-SNE",
    "feature_map_umap": "Map of the representation, UMAP",
    "views_grid": "What training sees",
    "generator": "What the augmentation generator does",
    "attraction": "Attraction and repulsion that reach the encoder",
}
_TEMPLATE = """\
{%- from "macros.html" import table -%}
<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
{% include "style.css" %}</style></head><body>
<h1>{{ title }}</h1>
<p class="lead">{{ lead }}</p>
{% if scores[1] %}<h2>Probe scores, top-1 in %</h2>
{{ table(scores[0], scores[1], last_is_best) }}
{% endif -%}
{% for name, data in pictures -%}
<h2>{{ name }}</h2>
<img alt="{{ name }}" src="data:image/png;base64,{{ data }}">
{% endfor -%}
{% if metrics %}<h2>Latest values</h2>
{{ table(("name", "value"), metrics, false) }}
{% endif -%}
<h2>To reproduce</h2>
<pre>{{ command }}</pre>
{% if config %}<details><summary>configuration</summary><pre>{{ config }}</pre></details>
{% endif -%}
<h2>Versions</h2>
{{ table(("package", "version"), versions, false) }}
</body></html>
"""


def render(
    title: str,
    lead: str,
    *,
    scores: tuple[Sequence[str], Sequence[Sequence[str]]],
    metrics: Mapping[str, float],
    figures: Sequence[Path],
    config: str,
    command: str,
    versions: Mapping[str, str],
) -> str:
    """The page.

    Args:
        title: The run's name.
        lead: What it was, in a line.
        scores: Head and rows of the score table.
        metrics: The latest value of everything that was logged.
        figures: PNG files to embed.
        config: The run's configuration, as text.
        command: What started the run.
        versions: Version of each package that decides numbers.
    """
    return (
        environment()
        .from_string(_TEMPLATE)
        .render(
            title=title,
            lead=lead,
            scores=scores,
            last_is_best=trained_is_best(scores[1]),
            pictures=[
                (_title(path), base64.b64encode(path.read_bytes()).decode()) for path in figures
            ],
            metrics=[(name, f"{value:.5g}") for name, value in sorted(metrics.items())],
            command=command,
            config=config,
            versions=list(versions.items()),
        )
    )


def _title(path: Path) -> str:
    return TITLES.get(path.stem, path.stem.replace("_", " "))
