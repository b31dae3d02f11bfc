"""What a run trains, in one line, before it starts."""

from collections.abc import Mapping
from typing import Any

from pytorch_lightning import LightningModule
from torch import nn

from metaug.lightning_modules.checkpoints.rebuildable import constructor_arguments


def describe(
    model: LightningModule,
    data: Any,
    processes: int = 1,
    overrides: Mapping[str, Any] | None = None,
) -> str:
    """Network, parameters, feature sizes, images, views, batch, and what the arguments override.

    Args:
        model: What is trained.
        data: The data module; may tell `image_channels`, `image_size`, `num_views`, `batch_size`.
        processes: Processes of the run.
        overrides: What the command line says over the configs, by short keys.

    Examples:
        >>> from metaug.datamodules import DigitsDataModule
        >>> from metaug.lightning_modules import Encoder, MetAug
        >>> model = MetAug(Encoder("resnet10t", image_channels=1, projection_dim=64))
        >>> print(describe(model, DigitsDataModule(batch_size=64), overrides={"model.lr": 1}))
        training MetAug: resnet10t, 5.22 M parameters, features 512 -> 64; no generator; \
DigitsDataModule, images 1 x 16 x 16, 2 views, batch 64; overrides model.lr=1
    """
    parts = [_network(getattr(model, "encoder", model))]
    if hasattr(model, "generator"):
        parts.append(_generator(model.generator))  # type: ignore[arg-type]
    parts.append(_data(data, getattr(model, "accumulate", 1), processes))
    if overrides:
        parts.append(f"overrides {', '.join(f'{key}={value}' for key, value in overrides.items())}")
    return f"training {type(model).__name__}: {'; '.join(filter(None, parts))}"


def _network(encoder: Any) -> str:
    backbone = constructor_arguments(encoder).get("backbone")
    name = backbone if isinstance(backbone, str) else type(backbone or encoder).__name__
    words = [name, f"{_millions(encoder)} parameters"]
    sizes = (getattr(encoder, "num_features", None), getattr(encoder, "feature_dim", None))
    if any(sizes):
        words.append(f"features {' -> '.join(str(size) for size in sizes if size)}")
    return ", ".join(words)


def _generator(generator: nn.Module | None) -> str:
    if generator is None:
        return "no generator"
    return f"{type(generator).__name__}, {_millions(generator)}"


def _data(data: Any, accumulate: int, processes: int) -> str:
    words = [type(data).__name__] if data is not None else []
    channels, size = getattr(data, "image_channels", None), getattr(data, "image_size", None)
    if channels and size:
        words.append(f"images {channels} x {size} x {size}")
    if views := getattr(data, "num_views", None):
        words.append(f"{views} views")
    if batch := getattr(data, "batch_size", None):
        words.append(
            f"batch {batch}"
            + (f" x {processes} processes" if processes > 1 else "")
            + (f" x {accumulate}" if accumulate > 1 else "")
        )
    return ", ".join(words)


def _millions(module: nn.Module) -> str:
    count = sum(parameter.numel() for parameter in module.parameters())
    return f"{count / 1e6:.2f} M" if count >= 1e4 else f"{count:,}"
