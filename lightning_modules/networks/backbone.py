"""Backbones: any timm model by name, with a stem for small images."""

import difflib
import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeGuard

import timm
import torch
from torch import nn

from .modes import evaluation_mode


def timm_backbone(
    name: str,
    *,
    small_images: bool = False,
    image_channels: int = 3,
    pretrained: bool = False,
    **arguments: Any,
) -> nn.Module:
    """Build a timm model without classifier: `[N, C, H, W] -> [N, F]`, `num_features` = F.

    Args:
        name: A name that timm knows.
        small_images: Keep the resolution of images of about 32 pixels: the usual CIFAR recipe for
            ResNets (3x3 stem of stride 1, no max-pooling; He et al., CVPR 2016, section 4.2),
            32-pixel images in 4-pixel patches for transformers, else the first strided convolution
            gets stride 1.
        image_channels: C.
        pretrained: Whether to load timm's pretrained weights (needs internet).
        arguments: Passed to `timm.create_model`.

    Raises:
        ValueError: If timm does not know the name, or no stem can be changed.
    """
    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise ValueError(
            f"backbone {name!r} is not a timm model; {hint}timm.list_models() lists all names"
        )
    build = partial(
        timm.create_model, name, pretrained=pretrained, num_classes=0, in_chans=image_channels
    )
    if not small_images:
        return build(**arguments)
    try:
        if _takes_patches(name):
            model = build(**({"img_size": 32, "patch_size": 4} | arguments))
        else:
            model = build(**arguments)
            _use_small_image_stem(model, image_channels)
        representation_of_zeros(model, image_channels, arguments.get("img_size", 32))
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise ValueError(
            f"backbone {name!r} has no variant for small images ({str(error).splitlines()[0]}); "
            "set small_images to false, or use another backbone such as resnet18 or "
            "vit_tiny_patch16_224"
        ) from error
    return model


def _takes_patches(name: str) -> bool:
    module = inspect.getmodule(timm.model_entrypoint(name))
    words = ("vision_transformer", "deit", "swin", "beit", "eva", "xcit", "mlp_mixer", "cait")
    return module is not None and module.__name__.rsplit(".", 1)[-1].startswith(words)


def _use_small_image_stem(model: nn.Module, image_channels: int) -> None:
    stem = getattr(model, "conv1", None)
    if stem is not None and hasattr(model, "maxpool"):
        first = stem if isinstance(stem, nn.Conv2d) else stem[-1]
        width = first.out_channels
        model.conv1 = nn.Conv2d(image_channels, width, 3, stride=1, padding=1, bias=False)
        nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
        model.maxpool = nn.Identity()
        return
    strided = [each for each in model.modules() if _is_strided(each)]
    if not strided:
        raise ValueError("it has no strided convolution")
    # a stem of parallel branches has several convolutions that see the image
    for module in [strided[0], *(each for each in strided if each.in_channels == image_channels)]:
        module.stride = (1, 1)


def _is_strided(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    return isinstance(module, nn.Conv2d) and max(module.stride) > 1


def representation_of_zeros(
    backbone: nn.Module, image_channels: int, image_size: int | Sequence[int] = 32
) -> torch.Tensor:
    """What a backbone makes of two blank images in evaluation mode; its mode is put back.

    Args:
        backbone: A module `[N, C, H, W] -> [N, F]`.
        image_channels: C.
        image_size: H and W, or both.
    """
    shape = [image_size] * 2 if isinstance(image_size, int) else list(image_size)
    like = next(backbone.parameters(), torch.zeros(()))
    image = torch.zeros(2, image_channels, *shape, dtype=like.dtype, device=like.device)
    with evaluation_mode(backbone):
        return backbone(image)


def feature_size(backbone: nn.Module, image_channels: int) -> int:
    """F, the size of a backbone's representation.

    Args:
        backbone: A module `[N, C, H, W] -> [N, F]`.
        image_channels: C.

    Raises:
        ValueError: If the backbone does not tell its `num_features` and cannot be tried out.
    """
    size = getattr(backbone, "num_features", None)
    if isinstance(size, int):
        return getattr(backbone, "head_hidden_size", size) or size
    try:
        output = representation_of_zeros(backbone, image_channels)
    except RuntimeError as error:
        raise ValueError(
            f"the backbone does not take images of [2, {image_channels}, 32, 32] ({error}); give "
            "it an attribute num_features, the F of its output [N, F]"
        ) from error
    if output.ndim != 2:
        raise ValueError(
            f"a backbone must map images [N, C, H, W] to [N, F], got {tuple(output.shape)}; "
            "add pooling and flattening"
        )
    return output.shape[1]
