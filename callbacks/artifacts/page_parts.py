"""What all HTML pages of this project share: their look, and how they show a table."""

from jinja2 import DictLoader, Environment

_STYLE = """\
:root { --ink: #22303c; --muted: #6b7a88; --line: #e6eaee; --wash: #f6f8fa; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2.4rem 0 .6rem; }
p.lead { color: var(--muted); margin: .2rem 0 0; }
img { max-width: 100%; max-height: 30rem; }
div.table { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left; }
th { color: var(--muted); font-weight: 500; }
td.number, th.number { text-align: right; white-space: nowrap; }
tr.best td { font-weight: 650; }
pre { background: var(--wash); border: 1px solid var(--line); border-radius: 6px; padding: .8rem;
  overflow-x: auto; font-size: .85rem; line-height: 1.45; }
summary { cursor: pointer; color: var(--muted); }
@media print {
  details::details-content { display: block; content-visibility: visible; }
  div.table, pre { overflow: visible; white-space: pre-wrap; }
  tr, img { break-inside: avoid; }
}
"""
_MACROS = """\
{%- macro table(head, rows, last_is_best=false, texts=(0,)) -%}
<div class="table"><table><thead><tr>
{%- for cell in head -%}
<th{% if loop.index0 not in texts %} class="number"{% endif %}>{{ cell }}</th>
{%- endfor -%}
</tr></thead><tbody>
{% for row in rows -%}
<tr{% if last_is_best and loop.last %} class="best"{% endif %}>
{%- for cell in row -%}
<td{% if loop.index0 not in texts %} class="number"{% endif %}>{{ cell }}</td>
{%- endfor -%}
</tr>
{% endfor -%}
</tbody></table></div>
{%- endmacro -%}
"""


def environment() -> Environment:
    """Where pages are rendered.

    A page includes `style.css` and imports `table` of `macros.html`: `table(head, rows)` with all
    columns but the first, or those that `texts` names, as numbers. It lies in a box that scrolls.
    """
    parts = {"style.css": _STYLE, "macros.html": _MACROS}
    return Environment(autoescape=True, loader=DictLoader(parts))
