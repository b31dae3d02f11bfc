"""The trained backbone as a file that timm loads, with a card that says what it is."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import timm
import torch
from metaug.lightning_modules.checkpoints.rebuildable import constructor_arguments
from pytorch_lightning.callbacks import Callback
from safetensors.torch import save_file
from torch import nn

from .artifacts.model_card import CARD, loading_snippet, table
from .plotting.style import is_trial, run_directory
from .probing.probe import Probe

WEIGHTS = "model.safetensors"


def find_backbone(module: nn.Module, path: str | None = None) -> nn.Module:
    """The backbone of a module: at a dotted path, or `encoder.backbone`, or `backbone`.

    Raises:
        ValueError: if there is none.
    """
    for candidate in [path] if path else ["encoder.backbone", "backbone"]:
        try:
            return module.get_submodule(candidate)
        except AttributeError:
            continue
    tried = repr(path) if path else "'encoder.backbone' or 'backbone'"
    children = ", ".join(name for name, _ in module.named_children())
    raise ValueError(
        f"{type(module).__name__} has no submodule {tried}; it has {children}. Set backbone= to "
        "the dotted path of the one to export."
    )


def small_stem(backbone: nn.Module, architecture: str | None, arguments: dict[str, Any]) -> str:
    """Python that turns a fresh timm model into this one's stem; empty if it already is.

    Raises:
        ValueError: if the backbone differs from timm's model in more than its stem.
    """
    if architecture is None:
        return ""
    with torch.device("meta"):
        fresh = timm.create_model(architecture, **arguments)
    shapes, found = _shapes(fresh), _shapes(backbone)
    lines = []
    for name, module in backbone.named_modules():
        if isinstance(module, nn.Conv2d | nn.Identity):
            plain = dict(fresh.named_modules()).get(name)
            if plain is None or _describe(plain) == _describe(module):
                continue
            weight = f"{name}.weight"
            path = re.sub(r"\.(\d+)", r"[\1]", f"model.{name}")
            if weight in shapes and shapes[weight] == found.get(weight):
                lines.append(f"{path}.stride = {module.stride}")
            else:
                lines.append(f"{path} = nn.{_describe(module)}")
                shapes = {k: v for k, v in shapes.items() if not k.startswith(f"{name}.")}
                shapes |= {k: v for k, v in found.items() if k.startswith(f"{name}.")}
    if shapes != found:
        different = sorted(k for k in shapes.keys() | found.keys() if shapes.get(k) != found.get(k))
        raise ValueError(
            f"The backbone is not timm's {architecture!r} with {arguments}: {different[:3]} "
            "differ. Give architecture_args= what timm.create_model was called with."
        )
    return "\n".join(lines)


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def _describe(module: nn.Module) -> str:
    if isinstance(module, nn.Identity):
        return "Identity()"
    if not isinstance(module, nn.Conv2d):
        return type(module).__name__
    options = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True}
    said = [str(module.in_channels), str(module.out_channels), str(_plain(module.kernel_size))]
    for name, default in options.items():
        value = module.bias is not None if name == "bias" else _plain(getattr(module, name))
        if value != default:
            said.append(f"{name}={value}")
    return f"Conv2d({', '.join(said)})"


def _plain(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


def export_backbone(
    backbone: nn.Module,
    folder: str | Path,
    *,
    architecture: str | None = None,
    architecture_args: Mapping[str, Any] | None = None,
    method: str = "MetAug",
    scores: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
) -> Path:
    """Write `model.safetensors`, `config.json` and the card `README.md`.

    A backbone that timm made needs neither `architecture` nor, if it has its usual form,
    `architecture_args`. Its file loads strictly by `timm.create_model(..., checkpoint_path=...)`;
    if its stem was changed for small images, the card says the lines that change it again.

    Args:
        backbone: the module.
        folder: where to write.
        architecture: timm's name of it; what the module says of itself if None.
        architecture_args: what else `timm.create_model` needs for it.
        method: what trained it, for the card.
        scores: name and value of scores, for the card.
        training: name and value of facts about the training, for the card.

    Returns:
        The file of weights.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    own: dict[str, Any] = getattr(backbone, "pretrained_cfg", None) or {}
    architecture = architecture or own.get("architecture")
    state = {
        name: value.detach().cpu().contiguous() for name, value in backbone.state_dict().items()
    }
    first = next((p for p in backbone.parameters() if p.ndim >= 2), None)
    channels = first.shape[1] if first is not None and first.ndim == 4 else 3
    arguments = {"num_classes": 0} | dict(architecture_args or {})
    if channels != 3:
        arguments["in_chans"] = channels
    stem = small_stem(backbone, architecture, arguments)
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    features = getattr(backbone, "num_features", "an unknown number of")
    config = {
        "architecture": architecture,
        "num_classes": 0,
        "num_features": getattr(backbone, "num_features", None),
        "model_args": {k: v for k, v in arguments.items() if k != "num_classes"},
        "stem": stem,
        "pretrained_cfg": {
            "num_classes": 0,
            "input_size": [channels, *own.get("input_size", [])[1:]],
        },
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    card = CARD.format(
        name=f"{architecture or type(backbone).__name__} trained by {method}",
        method=method,
        architecture=architecture or type(backbone).__name__,
        channels=channels,
        features=features,
        snippet=loading_snippet(architecture, arguments, stem, WEIGHTS),
        weights=WEIGHTS,
        library="library_name: timm\n" if architecture else "",
        names=" under timm's own names" if architecture else "",
        scores=table(scores or {}, ("score", "value")),
        training=table(training or {}, ("", "")),
    )
    (folder / "README.md").write_text(card)
    return folder / WEIGHTS


class Export(Callback):
    """Writes the trained backbone to `<run>/export` after a fit, with a model card.

    Args:
        backbone: dotted path of the submodule; `encoder.backbone` or `backbone` if None.
        architecture: timm's name of it; what the module says of itself if None.
        architecture_args: what else `timm.create_model` needs for it, besides `in_chans`; the
            `backbone_args` of the encoder if None.
    """

    def __init__(
        self,
        backbone: str | None = None,
        architecture: str | None = None,
        architecture_args: dict[str, Any] | None = None,
    ) -> None:
        self.backbone = backbone
        self.architecture = architecture
        self.architecture_args = architecture_args
        self.written: list[Path] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Find out before training whether there is something to export."""
        if stage == "fit":
            find_backbone(pl_module, self.backbone)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write on rank zero."""
        folder = run_directory(trainer) / "export"
        if not trainer.is_global_zero or is_trial(trainer):
            return
        scores = {
            f"{name} (epoch {callback.epoch})": f"{100 * value:.2f} %"
            for callback in trainer.callbacks  # type: ignore[attr-defined]
            if isinstance(callback, Probe)
            for name, value in callback.scores.items()
        }
        datamodule: Any = getattr(trainer, "datamodule", None)
        training = {
            "module": type(pl_module).__name__,
            "data": type(datamodule).__name__ if datamodule is not None else "loaders",
            "training images": getattr(datamodule, "num_instances", "unknown"),
            "epochs": trainer.current_epoch,
            "steps": trainer.global_step,
            "torch": torch.__version__,
            "timm": timm.__version__,
        }
        arguments = self.architecture_args
        if arguments is None:
            arguments = built_with(pl_module)
        path = export_backbone(
            find_backbone(pl_module, self.backbone),
            folder,
            architecture=self.architecture,
            architecture_args=arguments,
            method=type(pl_module).__name__,
            scores=scores,
            training=training,
        )
        self.written = [path]


def built_with(module: nn.Module) -> dict[str, Any]:
    """Timm arguments that MetAug's encoder was built with; nothing for other modules."""
    encoder = getattr(module, "encoder", module)
    own = constructor_arguments(getattr(encoder, "network", encoder))
    arguments = dict(own.get("backbone_args") or {})
    name = own.get("backbone")
    takes_patches = isinstance(name, str) and hasattr(
        find_backbone(module, "encoder.backbone"), "patch_embed"
    )
    if own.get("small_images") and takes_patches:
        arguments = {"img_size": 32, "patch_size": 4} | arguments
    return arguments
