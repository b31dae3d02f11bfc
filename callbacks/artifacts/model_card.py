"""The text that goes with an exported backbone: what it is, how to load it, what it scores."""

from collections.abc import Mapping
from typing import Any

CARD = """---
{library}tags: [image-feature-extraction, self-supervised, metaug]
---
# {architecture} trained by {method}

A `{architecture}` backbone without classifier, trained without labels by {method}. It maps images
`[N, {channels}, H, W]` to {features} features.

## Load it
```python
{snippet}
```
{weights} holds the weights{names}.

## Scores
{scores}

## Trained with
{training}
"""


def table(rows: Mapping[str, Any], head: tuple[str, str]) -> str:
    """A two-column Markdown table; a dash where there is nothing."""
    if not rows:
        return "Not measured."
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in rows.items())])


def loading_snippet(
    architecture: str | None, arguments: Mapping[str, Any], stem: str, weights: str
) -> str:
    """Python that builds the backbone and loads its weights strictly."""
    if architecture is None:
        return (
            "from safetensors.torch import load_file\n\n"
            "backbone = ...  # build your own module\n"
            f'backbone.load_state_dict(load_file("{weights}"))'
        )
    given = "".join(f", {name}={value!r}" for name, value in arguments.items())
    create = f'timm.create_model("{architecture}"{given}'
    if not stem:
        return f'import timm\n\nmodel = {create}, checkpoint_path="{weights}")'
    return (
        "import timm\nfrom safetensors.torch import load_file\nfrom torch import nn\n\n"
        f"model = {create})\n{stem}\n"
        f'model.load_state_dict(load_file("{weights}"))'
    )
