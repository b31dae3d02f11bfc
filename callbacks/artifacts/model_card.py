"""The card of an exported backbone: what it is, how to load it, its data, recipe and scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from .preprocessing import Preprocessing
from .programs import ONNX, OPSET, PROGRAM
from .timm_export import TimmModel

_CARD = """---
{header}---
# {architecture} trained by {method}

A `{architecture}` backbone without classifier, trained{unlabeled} by {method}. It maps images
`[N, {channels}, H, W]` to {features} features.

The Python below runs in this folder, block after block (`huggingface_hub.snapshot_download` fetches
a folder of the Hub).

{weights}## Images
{images}

{programs}## Scores
{scores}
{curves}
## Trained with
{training}

## Recipe
{recipe}

## License
{license}
"""
_DATA_SETS = {  # as the Hub calls them
    "CIFAR10DataModule": "uoft-cs/cifar10",
    "CIFAR100DataModule": "uoft-cs/cifar100",
    "ImageNetDataModule": "ILSVRC/imagenet-1k",
}


@dataclass(frozen=True)
class About:
    """What a card says beside the network itself.

    Attributes:
        method: What trained it.
        scores: Name of a score, and its value in words or `(value, protocol)`.
        training: Name and value of facts about the training.
        recipe: Name and value of settings.
        has_config: Whether `config.yaml` stands beside the card.
        has_curves: Whether `training_curves.png` does.
        license: As the Hub calls it, such as `mit`; None if it is not stated.
    """

    method: str = "MetAug"
    scores: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    has_config: bool = False
    has_curves: bool = False
    license: str | None = None

    @property
    def self_supervised(self) -> bool:
        """Whether it is MetAug, which alone is known to train without labels."""
        return self.method == "MetAug"


def model_card(
    about: About,
    model: TimmModel,
    *,
    name: str,
    features: Any,
    preprocessing: Preprocessing,
    differences: Mapping[str, float],
    shape: Sequence[int] = (),
    weights: str | None,
) -> str:
    """The text of `README.md`.

    Args:
        about: Data, recipe, scores and license.
        model: How timm makes the backbone.
        name: Its class.
        features: F, or what to say of it.
        preprocessing: Of the images.
        differences: Of each program's file, how far its features are from the backbone's.
        shape: `[C, H, W]` of the images of the programs.
        weights: The file of weights, if it is there.
    """
    scores = [(name, *_pair(value)) for name, value in about.scores.items()]
    recipe = table(about.recipe, ("setting", "value")) if about.recipe else ""
    if about.has_config:
        recipe += (
            "\n\n`config.yaml` holds all settings; `metaug fit --config config.yaml` trains again."
        )
    return _CARD.format(
        header=_header(about, model),
        method=about.method,
        architecture=model.architecture or name,
        channels=preprocessing.channels,
        features=features,
        unlabeled=" without labels" if about.self_supervised else "",
        weights=_weights(model, name, preprocessing, weights) if weights is not None else "",
        images=_images(preprocessing) + (_features(preprocessing) if weights is not None else ""),
        programs=_programs(differences, shape),
        scores=_of_whole(about) + _rows(scores, ("score", "value", "protocol"))
        if scores
        else "Not measured.",
        curves="\n![training curves](training_curves.png)\n" if about.has_curves else "",
        training=table(about.training, ("", "")),
        recipe=recipe.strip() or "Not recorded.",
        license=f"`{about.license}`" if about.license else "Not stated: ask who trained it.",
    )


def table(rows: Mapping[str, Any], head: tuple[str, str]) -> str:
    """A two-column Markdown table, or that nothing is there."""
    return _rows([(name, value) for name, value in rows.items()], head) if rows else "Not recorded."


def _rows(rows: Sequence[Sequence[Any]], head: Sequence[str]) -> str:
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(_cell(part) for part in row)} |" for row in rows)])


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _of_whole(about: About) -> str:
    """That scores are not those of the part alone, where a part was picked by its path."""
    part = about.training.get("part")
    return f"Of all of {about.method}, of which this backbone is `{part}`.\n\n" if part else ""


def _pair(value: Any) -> tuple[Any, Any]:
    return value if isinstance(value, tuple) else (value, "")


def _header(about: About, model: TimmModel) -> str:
    """The YAML block that the Hub reads."""
    data = _DATA_SETS.get(str(about.training.get("data")))
    entries: dict[str, Any] = {
        "library_name": "timm" if model.architecture else None,
        "license": about.license,
        "tags": [
            "image-feature-extraction",
            *(["self-supervised"] if about.self_supervised else []),
            "metaug",
        ],
        "datasets": [data] if data else None,
        "metrics": ["accuracy"] if any("top1" in name for name in about.scores) else None,
    }
    known = {name: value for name, value in entries.items() if value}
    return yaml.safe_dump(known, sort_keys=False, default_flow_style=None)


def _weights(model: TimmModel, name: str, preprocessing: Preprocessing, weights: str) -> str:
    """How to load them, and to go on from an image file where timm's transform prepares it."""
    names = " under timm's own names" if model.architecture else ""
    text = (
        f"## Load it\n```python\n{loading_snippet(model, name, weights)}\n```\n"
        f"`{weights}` holds the weights{names}.\n\n"
    )
    if model.architecture and preprocessing.in_timm:
        source = _OF_CONFIG if model.stem else "model=model"
        imports = "import json\nfrom pathlib import Path\n\n" if model.stem else ""
        lines = imports + _TIMM_IMAGE.format(mode=preprocessing.mode, source=source)
        text += f"From an image file:\n```python\n{lines}```\n\n"
    return text


def _programs(differences: Mapping[str, float], shape: Sequence[int]) -> str:
    """How to run those that were written."""
    size = f"`[N, {', '.join(map(str, shape))}]`, of any N"
    text = ""
    if ONNX in differences:
        text += (
            "## ONNX\n```python\nimport onnxruntime\n\n"
            f'session = onnxruntime.InferenceSession("{ONNX}")\n'
            '(features,) = session.run(None, {"images": images})\n```\n'
            f"Opset {OPSET}, float32, `images` {size}, normalized: no preprocessing is inside. "
            "On three random images onnxruntime differed from torch by "
            f"{differences[ONNX]:.1e} at most.\n\n"
        )
    if PROGRAM in differences:
        text += (
            "## torch.export\n```python\nimport torch\n\n"
            f'program = torch.export.load("{PROGRAM}").module()\n'
            "with torch.inference_mode():\n"
            "    features = program(torch.from_numpy(images))\n```\n"
            f"Needs torch alone; `images` {size}, normalized. On three random images it differed "
            f"from the module by {differences[PROGRAM]:.1e} at most.\n\n"
        )
    return text


def loading_snippet(model: TimmModel, name: str, weights: str) -> str:
    """Python that builds the backbone and loads its weights strictly."""
    if not model.architecture:
        return (
            "from safetensors.torch import load_file\n\n"
            f"model = ...  # build your own module, {name}\n"
            f'model.load_state_dict(load_file("{weights}"))\n'
            "model = model.eval()"
        )
    if not model.stem:
        return 'import timm\n\nmodel = timm.create_model("local-dir:.", pretrained=True).eval()'
    given = "".join(f", {name}={value!r}" for name, value in model.arguments.items())
    return (
        "import timm\nfrom torch import nn\n\n"
        f'model = timm.create_model("{model.architecture}"{given})\n'
        f"{model.stem}  # timm has no arguments for this stem\n"
        f'timm.models.load_checkpoint(model, "{weights}")\n'
        "model = model.eval()"
    )


_OF_CONFIG = 'pretrained_cfg=json.loads(Path("config.json").read_text())["pretrained_cfg"]'
_TIMM_IMAGE = """import torch
from PIL import Image, ImageOps
from timm.data import create_transform, resolve_data_config

config = resolve_data_config({source})
transform = create_transform(**config, is_training=False)
image = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("{mode}")
with torch.inference_mode():
    features = model(transform(image)[None])
"""
_MODEL_ON_IMAGES = """import torch

with torch.inference_mode():
    features = model(torch.from_numpy(images))
"""


def _images(preprocessing: Preprocessing) -> str:
    """How they are prepared, in words and as Python."""
    words = preprocessing.words()
    if preprocessing.why_unknown is not None:
        return words
    if preprocessing.in_timm:
        how = (
            "timm's `resolve_data_config` and `create_transform` do the same. Without timm and "
            "torch:"
        )
    else:
        how = "timm's `create_transform` cannot do this. So:"
    return f"{words} {how}\n\n```python\n{preprocessing.lines()}```"


def _features(preprocessing: Preprocessing) -> str:
    """The weights' features of `images`, where they are prepared, and not by timm."""
    if preprocessing.in_timm or preprocessing.why_unknown is not None:
        return ""
    return f"\n\n```python\n{_MODEL_ON_IMAGES}```"
