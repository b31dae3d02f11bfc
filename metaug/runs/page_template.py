"""The page of a comparison, as jinja2 fills it."""

TEMPLATE = """\
{%- from "macros.html" import table -%}
{%- macro swatch(group) -%}
<svg viewBox="0 0 48 14" aria-hidden="true"><line x1="0" y1="7" x2="48" y2="7" stroke-width="3.5"
 stroke="{{ group.color }}" stroke-dasharray="{{ group.dashes }}"/></svg>
<b>{{ group.letter }}</b>
{%- endmacro -%}
<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
{% include "style.css" %}
body { max-width: 72rem; }
ul.legend { list-style: none; margin: 1rem 0 0; padding: 0; }
ul.legend li { display: flex; gap: .6rem; align-items: baseline; padding: .15rem 0; }
ul.legend span { overflow-wrap: anywhere; min-width: 0; }
svg { flex: none; width: 2.4rem; height: .7rem; }
p.key { position: sticky; top: 0; margin: .6rem 0 0; padding: .3rem 0; background: white; }
p.key span { white-space: nowrap; margin-right: 1.2rem; }
ul.notes { margin: 1rem 0 0; padding: .6rem 1rem .6rem 2rem; border-left: 3px solid #d99a13;
  background: #fdf7ea; }
input[name=x] { margin: 0 .3rem 0 0; }
label { margin-right: 1.2rem; color: var(--muted); }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr));
  gap: 1rem 1.5rem; margin-top: .8rem; }
.panels img { width: 100%; max-height: none; }
.over-time, #by-time:checked ~ .over-epochs { display: none; }
#by-time:checked ~ .over-time { display: grid; }
p.note { color: var(--muted); font-size: .9rem; max-width: 46rem; }
td { vertical-align: top; }
@media print { input[name=x], label { display: none; } body { padding: 0; font-size: 12px; }
  .panels { grid-template-columns: 1fr 1fr; } }
</style></head><body>
<h1>{{ title }}</h1>
<p class="lead">{{ lead }}</p>
<ul class="legend">
{% for group in legend -%}
<li>{{ swatch(group) }}<span>{{ group.label }} <span style="color:var(--muted)">({{ group.runs }})\
</span></span></li>
{% endfor -%}
</ul>
{% if notes %}<ul class="notes">{% for note in notes %}<li>{{ note }}</li>{% endfor %}</ul>
{% endif -%}
{% if scores[0] | length > 4 %}<h2>Scores, top-1 in %</h2>
{{ table(scores[0], scores[1]) }}
<p class="note">Mean ± standard deviation (divisor n − 1) over runs that differ by seed alone.
“Last” is the last epoch that any of them reached, over the runs that reached it; “best” is the mean
of each run's best epoch, chosen by the very images it is scored on: report the last.
{%- if equal %} “Epoch {{ equal }}” is the last one that all runs have.{% endif %}</p>
{% endif -%}
{% if differing %}<h2>What differs</h2>
{{ table(differing_head, differing, texts=range(differing_head | length)) }}
{% endif -%}
<h2>Curves</h2>
{% if has_times -%}
<input type="radio" name="x" id="by-epoch" checked><label for="by-epoch">over epochs</label>
<input type="radio" name="x" id="by-time"><label for="by-time">over training time</label>
{% endif -%}
<p class="key">{% for group in legend %}<span>{{ swatch(group) }}</span> {% endfor %}</p>
{% for kind, figures in panels -%}
<div class="panels {{ kind }}">
{% for name, data in figures -%}
<img alt="{{ name }} {{ kind | replace('-', ' ') }}" src="data:image/svg+xml;base64,{{ data }}">
{% endfor -%}
</div>
{% endfor -%}
<p class="note">Bands are one standard deviation to both sides, thin lines single runs; of what is
logged in training, an epoch's value is the mean of its logged steps. A mean is dotted where only
some of its runs have a value. Training time is that of an epoch's end, without validation and
probes; a mean lies at the mean time.
{%- if alone %} Logged by one run only, and not drawn: {{ alone }}.{% endif %}</p>
<h2>Runs</h2>
{{ table(runs_head, runs, texts=(0, 1, 2, 3)) }}
<h2>Commands</h2>
<pre>{{ commands }}</pre>
{% if housekeeping %}<details><summary>{{ housekeeping | length }} settings that differ and change
nothing that is learned</summary>
{{ table(housekeeping_head, housekeeping, texts=range(housekeeping_head | length)) }}</details>
{% endif -%}
{% if following %}<details><summary>{{ following | length }} settings of components that not all
have</summary>
{{ table(differing_head, following, texts=range(differing_head | length)) }}</details>
{% endif -%}
<details><summary>{{ alike | length }} settings that are alike in all</summary>
{{ table(("setting", "value"), alike, texts=(0, 1)) }}</details>
</body></html>
"""
