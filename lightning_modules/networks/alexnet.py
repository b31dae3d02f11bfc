"""AlexNet split over views: the encoder of CMC (Tian et al., ECCV 2020) and of the paper's setting.

Letters: `N` images, `C` channels, `V` views, `D` feature size, `F` representation size.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..arguments.ranges import check_choice, check_count, check_number
from ..checkpoints.rebuildable import Rebuildable
from .encoder import PerViewEncoder, unit_norm

Layer = Literal["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]

CONVOLUTIONS = (96, 256, 384, 384, 256)
HIDDEN = 4096
# Edge to which CMC's linear classifiers pool a layer's maps: about 9,600 values from two towers.
POOLED = {"conv1": 10, "conv2": 6, "conv3": 5, "conv4": 5, "conv5": 6}
SMALLEST_IMAGE = 63


def convolution(
    in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, padding: int, pool: bool
) -> nn.Sequential:
    """Convolution, BatchNorm, ReLU and perhaps max-pooling of 3 pixels, stride 2.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Edge of the kernel.
        stride: Stride of the convolution.
        padding: Zeros on each side.
        pool: Whether max-pooling follows.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]
    return nn.Sequential(*layers, nn.MaxPool2d(3, 2)) if pool else nn.Sequential(*layers)


class AlexNet(Rebuildable):
    """A tower for one view: AlexNet with BatchNorm, by default half as wide.

    Five convolutions of 96, 256, 384, 384 and 256 channels and two linear layers of 4096, all times
    `width`, each with BatchNorm and ReLU; max-pooling after the first, second and fifth; a last
    linear layer of D. Images of 224 pixels reach the linear layers as maps of 6 x 6; those of other
    sizes, from 63 pixels, are pooled to that.

    Args:
        image_channels: C, channels of the view.
        feature_dim: D, size of a feature.
        width: Share of AlexNet's channels; CMC gives each of its towers 0.5.
        layer: The layer whose output is the representation, see `represent`.

    Examples:
        >>> tower = AlexNet(image_channels=1, feature_dim=8, width=0.02).eval()
        >>> tower.project(torch.zeros(2, 1, 64, 64)).shape
        torch.Size([2, 8])
    """

    def __init__(
        self,
        image_channels: int = 3,
        feature_dim: int = 128,
        width: float = 0.5,
        layer: Layer = "conv5",
    ) -> None:
        super().__init__()
        check_count("image_channels", image_channels)
        check_count("feature_dim", feature_dim)
        check_number("width", width, above=0)
        self.layer = checked(layer)
        self.feature_dim = feature_dim
        first, second, third, fourth, fifth = (max(1, round(width * n)) for n in CONVOLUTIONS)
        hidden = max(1, round(width * HIDDEN))
        self.conv1 = convolution(image_channels, first, 11, stride=4, padding=2, pool=True)
        self.conv2 = convolution(first, second, 5, padding=2, pool=True)
        self.conv3 = convolution(second, third, 3, padding=1, pool=False)
        self.conv4 = convolution(third, fourth, 3, padding=1, pool=False)
        self.conv5 = convolution(fourth, fifth, 3, padding=1, pool=True)
        self.fc6 = linear(fifth * 6 * 6, hidden)
        self.fc7 = linear(hidden, hidden)
        self.fc8 = nn.Linear(hidden, feature_dim)
        self.num_features = self.size(layer)

    def size(self, layer: Layer) -> int:
        """F of a layer's representation."""
        last = getattr(self, checked(layer))
        if layer in POOLED:
            return last[0].out_channels * POOLED[layer] ** 2
        return last.out_features if layer == "fc8" else last[0].out_features

    def output(self, image: Tensor, layer: Layer) -> Tensor:
        """The output of a layer, after its BatchNorm, ReLU and pooling.

        Args:
            image: `[N, C, H, W]`.
            layer: Name of the layer.

        Returns:
            Maps `[N, channels, height, width]` of a convolution, `[N, F]` of a linear layer.

        Raises:
            ValueError: If the images are smaller than 63 pixels.
        """
        if min(image.shape[-2:]) < SMALLEST_IMAGE:
            raise ValueError(
                f"AlexNet needs images of {SMALLEST_IMAGE} pixels or more, got "
                f"{list(image.shape[-2:])}; set the data module's image_size, 224 in the paper"
            )
        value = image
        for name in get_args(Layer):
            if name == "fc6":
                value = functional.adaptive_avg_pool2d(value, 6).flatten(1)
            value = getattr(self, name)(value)
            if name == layer:
                break
        return value

    def represent(self, image: Tensor, layer: Layer | None = None) -> Tensor:
        """The representation of images, `[N, C, H, W] -> [N, F]`.

        Maps are max-pooled to 10, 6, 5, 5 and 6 pixels, as CMC's linear classifiers do; `fc8` is
        scaled to unit length.

        Args:
            image: `[N, C, H, W]`.
            layer: The layer, `conv1` to `conv5` or `fc6` to `fc8`; null for that of the
                constructor.
        """
        layer = self.layer if layer is None else checked(layer)
        if layer == "fc8":
            return self.project(image)
        value = self.output(image, layer)
        if layer in POOLED:
            value = functional.adaptive_max_pool2d(value, POOLED[layer])
        return value.flatten(1)

    def project(self, image: Tensor) -> Tensor:
        """Unit-norm features of images, `[N, C, H, W] -> [N, D]`, in float32 or better."""
        return unit_norm(self.output(image, "fc8"))

    def forward(self, image: Tensor) -> Tensor:
        """As `project`."""
        return self.project(image)


class AlexNetSplit(PerViewEncoder):
    """One AlexNet per view, each fed the channels of its view: L, ab and Lab in the paper.

    Args:
        channels: The channels of a plain image that each view consists of.
        feature_dim: D, size of a feature.
        width: Share of AlexNet's channels in each tower, see `AlexNet`.
        layer: The layer whose output, of all towers side by side, is the representation.

    Examples:
        >>> encoder = AlexNetSplit([[0], [1, 2]], feature_dim=8, width=0.02).eval()
        >>> lightness, color = torch.zeros(2, 1, 64, 64), torch.zeros(2, 2, 64, 64)
        >>> encoder([lightness, color]).shape
        torch.Size([2, 2, 8])
    """

    layers = get_args(Layer)

    def __init__(
        self,
        channels: Sequence[Sequence[int]] = ((0,), (1, 2), (0, 1, 2)),
        feature_dim: int = 128,
        width: float = 0.5,
        layer: Layer = "conv5",
    ) -> None:
        towers: list[nn.Module] = [
            AlexNet(len(part), feature_dim, width, layer) for part in channels
        ]
        super().__init__(towers, [list(part) for part in channels])

    def represent(self, image: Tensor, layer: Layer | None = None) -> Tensor:
        """Representations of all towers side by side, `[N, C, H, W] -> [N, F]`.

        Args:
            image: `[N, C, H, W]`.
            layer: The layer; null for that of the constructor.
        """
        assert self.channels is not None
        pairs = zip(self.encoders, self.channels, strict=True)
        return torch.cat([tower.represent(image[:, part], layer) for tower, part in pairs], dim=1)


def linear(in_features: int, out_features: int) -> nn.Sequential:
    """Linear layer, BatchNorm and ReLU."""
    return nn.Sequential(
        nn.Linear(in_features, out_features),
        nn.BatchNorm1d(out_features),
        nn.ReLU(inplace=True),
    )


def checked(layer: Layer) -> Layer:
    """The layer, if AlexNet has it.

    Raises:
        ValueError: Otherwise, with the names.
    """
    check_choice("layer", layer, Layer)
    return layer
