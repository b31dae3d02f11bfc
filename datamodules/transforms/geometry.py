"""Random crops and small affine motions, for a batch at once or image by image."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from .ranges import check, check_pair, check_part
from .seeding import Draws, on_cpu

Images = Tensor | Sequence[Tensor]

_ATTEMPTS = 10
THIN = 16  # a longer edge of more than this many shorter ones
LARGEST_IN_BATCHES = 64  # on a CPU larger images are cropped faster one by one


class Framing(ABC):
    """Cuts a view of fixed size out of raw images.

    Examples:
        >>> from metaug.datamodules import Framing, Recipe, RecipeViews
        >>> from metaug.datamodules.transforms.geometry import frame_whole
        >>> class Whole(Framing):
        ...     def __call__(self, images, draws, size):
        ...         return frame_whole(images, size)
        >>> RecipeViews([Recipe(Whole())] * 2).num_views
        2
    """

    @abstractmethod
    def __call__(self, images: Images, draws: Draws, size: int) -> Tensor:
        """Frame images, uint8 or in [0, 1], into float ones `[N, C, size, size]` in [0, 1].

        The numbers for a list of images on a device are on the CPU, until `draws.follow`.
        """


def to_unit(images: Tensor) -> Tensor:
    """Scale uint8 images to float32 in [0, 1]; floats are in it."""
    if images.dtype != torch.uint8:
        return images
    return images.to(torch.float32).mul_(1.0 / 255.0)


def stack_units(images: Sequence[Tensor]) -> Tensor:
    """Stack images `[C, H, W]`, uint8 or floats, as float32 in [0, 1]."""
    if all(image.dtype == torch.uint8 for image in images):
        return to_unit(torch.stack(list(images)))
    return torch.stack([to_unit(image) for image in images])


class RandomCrop(Framing):
    """A random part of the image, resized; mirrored half of the time.

    The area, ratio and position of the crop follow torchvision's `RandomResizedCrop`. Images of one
    size are cropped together; on the CPU large ones, and images of different sizes, one by one.

    Args:
        scale: Smallest and largest part of the image's area.
        ratio: Smallest and largest width / height.
        flip: Probability of a mirror image (0 for digits, text and the like).

    Examples:
        >>> import torch
        >>> from metaug.datamodules import RandomCrop
        >>> from metaug.datamodules.transforms.seeding import Draws
        >>> images = [torch.zeros(3, 20, 30).byte(), torch.zeros(3, 9, 9).byte()]
        >>> RandomCrop(scale=(0.08, 1.0))(images, Draws(torch.arange(2)), 16).shape
        torch.Size([2, 3, 16, 16])
    """

    def __init__(
        self,
        scale: tuple[float, float] = (0.2, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        flip: float = 0.5,
    ) -> None:
        self.scale = check_pair(scale, "scale", above=0, at_most=1)
        self.ratio = check_pair(ratio, "ratio", above=0)
        check_part(flip, "flip")
        self.flip = flip

    def boxes(self, height: Tensor, width: Tensor, draws: Draws) -> Tensor:
        """Boxes (top, left, height, width) `[N, 4]`, whole pixels, of images of these sizes."""
        edges = torch.stack([height, width], dim=1)  # [N, 2]
        u = draws.uniforms(2 * _ATTEMPTS + 2)
        # ten attempts at an area and a ratio (width / height) each: `[N, 10]`
        low, high = self.scale
        area = (u[:, :_ATTEMPTS] * (high - low) + low) * (height * width)[:, None]
        log_low, log_high = math.log(self.ratio[0]), math.log(self.ratio[1])
        ratio = torch.exp(u[:, _ATTEMPTS:-2] * (log_high - log_low) + log_low)
        extents = torch.stack([area / ratio, area * ratio], dim=1).sqrt_().round_()  # [N, 2, 10]
        # the first box that fits into its image: `[N, 2]`
        fits = ((extents >= 1) & (extents <= edges[:, :, None])).all(dim=1)
        first = fits.to(torch.uint8).argmax(dim=1)
        extent = extents.gather(2, first[:, None, None].expand(-1, 2, 1))[:, :, 0]
        any_fits = fits.any(dim=1, keepdim=True)
        # where none fits, the largest box of the nearest allowed ratio
        limits = torch.stack([width / self.ratio[0], height * self.ratio[1]], dim=1)
        extent = torch.where(any_fits, extent, edges.minimum(limits.round_().clamp_(min=1)))
        # a fitting box lies anywhere in the image, the other one in its middle
        room = edges - extent
        start = torch.where(any_fits, (u[:, -2:] * (room + 1)).floor_(), room // 2)
        return torch.cat([start, extent], dim=1)

    def __call__(self, images: Images, draws: Draws, size: int) -> Tensor:
        """Frame images, uint8 or in [0, 1], into float ones `[N, C, size, size]` in [0, 1]."""
        if isinstance(images, Tensor):
            height, width = (
                torch.full((len(images),), float(edge), device=draws.device)
                for edge in images.shape[2:]
            )
        else:
            sizes = torch.tensor([image.shape[1:] for image in images], dtype=torch.float32)
            height, width = sizes.unbind(1)
        boxes = self.boxes(height, width, draws)
        if isinstance(images, Tensor) and (
            not on_cpu(images) or images.shape[2] <= LARGEST_IN_BATCHES
        ):
            # crops larger than the view are sampled `finer` times as finely and averaged
            tall, wide = images.shape[2:]
            longest = max(self.ratio[1], 1 / self.ratio[0])
            largest = min(math.sqrt(self.scale[1] * tall * wide * longest), max(tall, wide))
            if max(tall, wide) > THIN * min(tall, wide):
                largest = min(largest, min(tall, wide) * longest)
            finer = max(1, round(largest / size))
            mirrored = draws.chance(self.flip)
            view = resample(to_unit(images), boxes, mirrored, size * finer)
            return view if finer == 1 else F.avg_pool2d(view, finer)
        framed = crop_each(images, boxes.to(torch.int64).tolist(), size)
        draws.follow(framed)
        mirrored = draws.chance(self.flip)
        return torch.where(mirrored[:, None, None, None], framed.flip(3), framed)


def crop_each(images: Images, boxes: Sequence[Sequence[int]], size: int) -> Tensor:
    """Cut one box out of every image and resize it, smoothed; two operations each on a device.

    Args:
        images: Images `[C, H, W]`, uint8 or in [0, 1], of any sizes, at least one.
        boxes: (top, left, height, width) of each, in pixels.
        size: Edge of the result.

    Returns:
        Crops `[N, C, size, size]` in [0, 1].
    """
    pairs = list(zip(images, boxes, strict=True))
    if on_cpu(images[0]):  # 8-bit pixels are resized without floats
        resized = [TF.resized_crop(i, *box, size=[size, size], antialias=True) for i, box in pairs]
        return stack_units(resized)
    crops = [
        F.interpolate(
            image[None, :, top : top + height, left : left + width].to(torch.float32),
            (size, size),
            mode="bilinear",
            antialias=True,
        )
        for image, (top, left, height, width) in pairs
    ]
    if all(image.dtype == torch.uint8 for image in images):
        return torch.cat(crops).round_().clamp_(0, 255).mul_(1.0 / 255.0)
    return torch.cat(
        [
            crop.round_().clamp_(0, 255).mul_(1.0 / 255.0) if image.dtype == torch.uint8 else crop
            for crop, image in zip(crops, images, strict=True)
        ]
    )


def resample(images: Tensor, boxes: Tensor, mirrored: Tensor, size: int) -> Tensor:
    """Cut one box out of every image and resize it bilinearly, without smoothing.

    Args:
        images: Float images `[N, C, H, W]`.
        boxes: (top, left, height, width) `[N, 4]` in pixels.
        mirrored: Which crops to mirror, `[N]` bool.
        size: Edge of the result.

    Returns:
        Crops `[N, C, size, size]`.
    """
    # where the middles of the result's pixels lie in the image, in pixels: `[N, 2, size]`
    start, extent = boxes[:, :2, None], boxes[:, 2:, None]
    steps = (torch.arange(size, device=images.device, dtype=torch.float32) + 0.5) / size
    places = torch.minimum((steps * extent - 0.5).clamp_(min=0), extent - 1) + start
    # in `grid_sample`'s units, where the image's edges are -1 and 1: `[N, size, size, 2]`
    places = places.mul_(2).add_(1)
    y, x = (places[:, axis] / edge - 1 for axis, edge in enumerate(images.shape[2:]))
    x = torch.where(mirrored[:, None], x.flip(1), x)
    grid = torch.stack(
        [x[:, None, :].expand(-1, size, -1), y[:, :, None].expand(-1, -1, size)], dim=3
    )
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


class SmallMotion(Framing):
    """A small rotation, shift, scaling and shear: what leaves a digit the same digit.

    Args:
        degrees: Largest rotation to either side, in degrees.
        shift: Largest shift to any side, as part of the image's edge.
        scale: Smallest and largest magnification.
        shear: Largest shear to either side, in degrees.
        flip: Probability of a mirror image.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import SmallMotion
        >>> from metaug.datamodules.transforms.seeding import Draws
        >>> images = [torch.zeros(3, 20, 30).byte(), torch.zeros(3, 9, 9).byte()]
        >>> SmallMotion(degrees=15)(images, Draws(torch.arange(2)), 16).shape
        torch.Size([2, 3, 16, 16])
    """

    def __init__(
        self,
        degrees: float = 15.0,
        shift: float = 0.1,
        scale: tuple[float, float] = (0.8, 1.2),
        shear: float = 10.0,
        flip: float = 0.0,
    ) -> None:
        check(degrees, "degrees", at_least=0, at_most=180)
        check(shift, "shift", at_least=0, at_most=1)
        check(shear, "shear", at_least=0, below=90)
        check_part(flip, "flip")
        self.degrees = degrees
        self.shift = shift
        self.scale = check_pair(scale, "scale", above=0)
        self.shear = shear
        self.flip = flip

    def __call__(self, images: Images, draws: Draws, size: int) -> Tensor:
        """Frame images, uint8 or in [0, 1], into float ones `[N, C, size, size]` in [0, 1]."""
        framed = frame_whole(images, size)
        draws.follow(framed)
        # parameters `[N]`; the grid maps the view back to the image, so zoom is inverted
        angle = draws.uniform(-self.degrees, self.degrees) * (math.pi / 180)
        shear = draws.uniform(-self.shear, self.shear) * (math.pi / 180)
        zoom = 1.0 / draws.uniform(*self.scale)
        shift_x = draws.uniform(-2 * self.shift, 2 * self.shift)
        shift_y = draws.uniform(-2 * self.shift, 2 * self.shift)
        mirror = 1.0 - 2.0 * draws.chance(self.flip).to(torch.float32)
        cos, sin, tan = torch.cos(angle), torch.sin(angle), torch.tan(shear)
        grid = _affine_grid(
            (zoom * cos * mirror, zoom * (tan * cos - sin), shift_x),
            (zoom * sin * mirror, zoom * (tan * sin + cos), shift_y),
            size,
        )
        return F.grid_sample(framed, grid, mode="bilinear", align_corners=False)


def _affine_grid(
    row_x: tuple[Tensor, Tensor, Tensor], row_y: tuple[Tensor, Tensor, Tensor], size: int
) -> Tensor:
    """Grid `[N, size, size, 2]`; elementwise, so that it does not depend on the batch."""
    steps = (2 * torch.arange(size, device=row_x[0].device) + 1) / size - 1
    x, y = steps[None, None, :], steps[None, :, None]
    rows = []
    for a, b, c in (row_x, row_y):
        a, b, c = a[:, None, None], b[:, None, None], c[:, None, None]
        rows.append(a * x + b * y + c)
    return torch.stack(rows, dim=3)


def frame_whole(images: Images, size: int) -> Tensor:
    """The whole image without randomness: shorter edge resized to `size`, then the middle.

    Args:
        images: Images, uint8 or in [0, 1], `[N, C, H, W]` or a list of `[C, H, W]`.
        size: Edge of the result.

    Returns:
        Float images `[N, C, size, size]` in [0, 1].
    """
    if isinstance(images, Tensor):
        return to_unit(images if images.shape[2:] == (size, size) else fit(images, size))
    return stack_units([fit(image, size) for image in images])


def fit(images: Tensor, size: int) -> Tensor:
    """Resize the shorter edge of images `[..., H, W]` to `size`, keep the middle square.

    Of thin images all but a middle part is cut off first, so that they take no more memory.
    """
    height, width = images.shape[-2:]
    short = min(height, width)
    if max(height, width) > THIN * short:
        height, width = min(height, THIN * short), min(width, THIN * short)
        images = TF.center_crop(images, [height, width])
    new = [edge * size // short for edge in (height, width)]  # as torchvision and timm round
    resized = TF.resize(images, new, antialias=True) if new != [height, width] else images
    return TF.center_crop(resized, [size, size])
