"""Backbones: any timm model by name, with a stem for small images."""

import difflib
import inspect
from typing import Any

import timm
import torch
from torch import nn


def timm_backbone(
    name: str,
    *,
    small_images: bool = False,
    image_channels: int = 3,
    pretrained: bool = False,
    **arguments: Any,
) -> nn.Module:
    """Build a timm model without classifier: ``[N, C, H, W] -> [N, F]``, ``num_features`` = F.

    Args:
        name: A name that timm knows.
        small_images: Keep the resolution of images of about 32 pixels: the usual CIFAR recipe for
            ResNets (3x3 stem of stride 1, no max-pooling; He et al., CVPR 2016, section 4.2),
            32-pixel images in 4-pixel patches for transformers, else the first strided convolution
            gets stride 1.
        image_channels: C.
        pretrained: Whether to load timm's pretrained weights (needs internet).
        arguments: Passed to ``timm.create_model``.

    Raises:
        ValueError: If timm does not know the name, or no stem can be changed.
    """
    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(
            f"backbone {name!r} is not a timm model{hint} timm.list_models() lists all names"
        )
    if small_images and _takes_patches(name):
        arguments = {"img_size": 32, "patch_size": 4} | arguments
    model = timm.create_model(
        name, pretrained=pretrained, num_classes=0, in_chans=image_channels, **arguments
    )
    if small_images and not _takes_patches(name):
        _use_small_image_stem(model, name, image_channels)
    return model


def _takes_patches(name: str) -> bool:
    module = inspect.getmodule(timm.model_entrypoint(name))
    words = ("vision_transformer", "deit", "swin", "beit", "eva", "xcit", "mlp_mixer", "cait")
    return module is not None and module.__name__.rsplit(".", 1)[-1].startswith(words)


def _use_small_image_stem(model: nn.Module, name: str, image_channels: int) -> None:
    stem = getattr(model, "conv1", None)
    if stem is not None and hasattr(model, "maxpool"):
        first = stem if isinstance(stem, nn.Conv2d) else stem[-1]
        width = first.out_channels
        model.conv1 = nn.Conv2d(image_channels, width, 3, stride=1, padding=1, bias=False)
        nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
        model.maxpool = nn.Identity()
        return
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and max(module.stride) > 1:
            module.stride = (1, 1)
            return
    raise ValueError(
        f"backbone {name!r} has no strided stem that small_images could change; "
        "set small_images to false"
    )


def feature_size(backbone: nn.Module, image_channels: int) -> int:
    """F, the size of a backbone's representation.

    Args:
        backbone: A module ``[N, C, H, W] -> [N, F]``.
        image_channels: C.

    Raises:
        ValueError: If the backbone does not give a matrix.
    """
    size = getattr(backbone, "num_features", None)
    if isinstance(size, int) and hasattr(backbone, "default_cfg"):
        return getattr(backbone, "head_hidden_size", size) or size
    training = {module: module.training for module in backbone.modules()}
    backbone.eval()
    try:
        with torch.no_grad():
            output = backbone(torch.zeros(2, image_channels, 32, 32))
    finally:
        for module, mode in training.items():
            module.training = mode
    if output.ndim != 2:
        raise ValueError(
            f"a backbone must map images [N, C, H, W] to [N, F], got {tuple(output.shape)}; "
            "add pooling and flattening"
        )
    return output.shape[1]
