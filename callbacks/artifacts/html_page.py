"""One HTML page about a run that needs nothing else: no network, no files beside it."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment

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
{%- macro table(head, rows, last_is_best) -%}
<table><thead><tr>
{%- for cell in head -%}
<th{% if not loop.first %} class="number"{% endif %}>{{ cell }}</th>
{%- endfor -%}
</tr></thead><tbody>
{% for row in rows -%}
<tr{% if last_is_best and loop.last %} class="best"{% endif %}>
{%- for cell in row -%}
<td{% if not loop.first %} class="number"{% endif %}>{{ cell }}</td>
{%- endfor -%}
</tr>
{% endfor -%}
</tbody></table>
{%- endmacro -%}
<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root { --ink: #22303c; --muted: #6b7a88; --line: #e6eaee; --wash: #f6f8fa; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2.4rem 0 .6rem; }
p.lead { color: var(--muted); margin: .2rem 0 0; }
img { max-width: 100%; max-height: 30rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left; }
th { color: var(--muted); font-weight: 500; }
td.number, th.number { text-align: right; }
tr.best td { font-weight: 650; }
pre { background: var(--wash); border: 1px solid var(--line); border-radius: 6px; padding: .8rem;
  overflow-x: auto; font-size: .85rem; line-height: 1.45; }
summary { cursor: pointer; color: var(--muted); }
@media print { details { display: block; } }
</style></head><body>
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
        Environment(autoescape=True)
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
