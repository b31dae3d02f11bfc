"""Backbones: any timm model by name, with a stem for small images."""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeGuard, cast

import timm
import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_info
from torch import nn

from .modes import evaluation_mode


def timm_backbone(
    name: str,
    *,
    small_images: bool = False,
    image_channels: int = 3,
    image_size: int | None = None,
    pretrained: bool = False,
    **arguments: Any,
) -> nn.Module:
    """Build a timm model without classifier: `[N, C, H, W] -> [N, F]`, `num_features` = F.

    Args:
        name: A name that timm knows.
        small_images: Keep the resolution of images of about 32 pixels: the usual CIFAR recipe for
            ResNets (3x3 stem of stride 1, no max-pooling; He et al., CVPR 2016, section 4.2),
            images in 4-pixel patches for transformers, else the first strided convolution gets
            stride 1.
        image_channels: C.
        image_size: Edge of the images, for backbones that are built for one size (transformers);
            None for the backbone's own, of small images 32.
        pretrained: Whether to load timm's pretrained weights (needs internet).
        arguments: Passed to `timm.create_model`.

    Raises:
        ValueError: If timm does not know the name, the arguments do not suit the model, or no stem
            can be changed.
        OSError: If pretrained weights cannot be loaded.
    """
    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise ValueError(
            f"backbone {name!r} is not a timm model; {hint}timm.list_models() lists all names"
        )
    check_backbone_args(arguments)
    build = partial(_build, name, in_chans=image_channels, pretrained=pretrained)
    try:
        if not small_images:
            return build(image_size, arguments)
        size = image_size or 32
        if _takes_patches(name):
            model = build(size, {"patch_size": 4} | arguments)
        else:
            model = build(image_size, arguments)
            _use_small_image_stem(model, image_channels, pretrained=pretrained)
        representation_of_zeros(model, image_channels, arguments.get("img_size", size))
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        reason = f"backbone {name!r} {{}} ({first_line(error)}); "
        if arguments and isinstance(error, TypeError):
            message = reason.format(f"does not take backbone_args {arguments}") + (
                "set backbone_args to null where they are those of another model"
            )
        elif small_images:
            message = reason.format("has no variant for small images") + (
                "set small_images to false, or use another backbone such as resnet18 or "
                "vit_tiny_patch16_224"
            )
        else:
            size_of_images = "" if image_size is None else f" for images of {image_size} pixels"
            message = reason.format(f"cannot be built{size_of_images}") + (
                f"it was given backbone_args {arguments}"
            )
        raise ValueError(message) from error
    return model


_NOT_IN_BACKBONE_ARGS = {
    "features_only": "an encoder is one vector for each image",
    "num_classes": "an encoder has no classifier",
    "in_chans": "it is called image_channels",
    **dict.fromkeys(
        ("name", "small_images", "image_channels", "image_size", "pretrained"),
        "it is an argument beside backbone_args",
    ),
}


def check_backbone_args(arguments: Mapping[str, Any]) -> None:
    """Check that further arguments of a backbone are no arguments of the encoder.

    Raises:
        ValueError: Naming the first one, and what to do.
    """
    for argument, instead in _NOT_IN_BACKBONE_ARGS.items():
        if argument in arguments:
            raise ValueError(f"backbone_args may not hold {argument!r}: {instead}")


def _build(
    name: str, image_size: int | None, arguments: dict[str, Any], *, pretrained: bool, in_chans: int
) -> nn.Module:
    """A timm model, for images of a size where the model has to know; its `timm_args` say so."""

    def create(**given: Any) -> nn.Module:
        model: Any = timm.create_model(
            name, pretrained=pretrained, num_classes=0, in_chans=in_chans, **given
        )
        model.timm_args = given
        return cast(nn.Module, model)

    try:
        if image_size is not None and "img_size" not in arguments:
            try:
                return create(img_size=image_size, **arguments)
            except TypeError as error:
                if "img_size" not in str(error):  # a network for images of any size
                    raise
        return create(**arguments)
    except OSError as error:
        raise OSError(
            f"the pretrained weights of backbone {name!r} cannot be loaded ({first_line(error)}); "
            "they come from huggingface.co: fetch them where there is internet and set HF_HOME to "
            "that cache, or set pretrained: false"
        ) from error


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its kind where it says nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


def _takes_patches(name: str) -> bool:
    module = inspect.getmodule(timm.model_entrypoint(name))
    words = ("vision_transformer", "deit", "swin", "beit", "eva", "xcit", "mlp_mixer", "cait")
    return module is not None and module.__name__.rsplit(".", 1)[-1].startswith(words)


def _use_small_image_stem(model: nn.Module, image_channels: int, *, pretrained: bool) -> None:
    stem = getattr(model, "conv1", None)
    if stem is not None and hasattr(model, "maxpool"):
        first = stem if isinstance(stem, nn.Conv2d) else stem[-1]
        width = first.out_channels
        model.conv1 = nn.Conv2d(image_channels, width, 3, stride=1, padding=1, bias=False)
        nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
        model.maxpool = nn.Identity()
        if pretrained:
            rank_zero_info("pretrained: conv1 is that for small images and starts at random")
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
    backbone: nn.Module,
    image_channels: int,
    image_size: int | Sequence[int] = 32,
    represent: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """What a backbone makes of two blank images in evaluation mode; its mode is put back.

    Args:
        backbone: A module `[N, C, H, W] -> [N, F]`.
        image_channels: C.
        image_size: H and W, or both.
        represent: What to call, if not the backbone itself.
    """
    shape = [image_size] * 2 if isinstance(image_size, int) else list(image_size)
    like = next(backbone.parameters(), torch.zeros(()))
    image = torch.zeros(2, image_channels, *shape, dtype=like.dtype, device=like.device)
    with evaluation_mode(backbone):
        return (represent or backbone)(image)


def feature_size(backbone: nn.Module, image_channels: int, image_size: int = 32) -> int:
    """F, the size of a backbone's representation.

    Args:
        backbone: A module `[N, C, H, W] -> [N, F]`.
        image_channels: C.
        image_size: H and W of the images to try it with.

    Raises:
        ValueError: If the backbone does not tell its `num_features` and cannot be tried out.
    """
    size = getattr(backbone, "num_features", None)
    if isinstance(size, int):
        return getattr(backbone, "head_hidden_size", size) or size
    try:
        output = representation_of_zeros(backbone, image_channels, image_size)
    except RuntimeError as error:
        shape = [2, image_channels, image_size, image_size]
        raise ValueError(
            f"the backbone does not take images of {shape} ({first_line(error)}); say the data's "
            "image_channels and, if it is made for one size, their image_size, or give it an "
            "attribute num_features, the F of its output [N, F]"
        ) from error
    if output.ndim != 2:
        raise ValueError(
            f"a backbone must map images [N, C, H, W] to [N, F], got {tuple(output.shape)}; "
            "add pooling and flattening"
        )
    return output.shape[1]
