"""What a probe scores: a layer of the encoder, with or without augmented features."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Representation:
    """Of a module, the representation `[N, F]` of images that a probe scores.

    Args:
        layer: A layer of `module.encoder`, for encoders that name their `layers` and take one of
            them in `represent(image, layer)`, as `AlexNetSplit` does; null for the module's
            `forward`.
        augmented: Join the augmented features of all views, as MetAug's generator makes them of a
            plain image; without a generator there are none to join.

    Examples:
        >>> probed = Representation(layer="layer2")
        >>> probed.words
        'layer2, '
        >>> probed == Representation("layer2", augmented=False)  # probes of one share features
        True
    """

    layer: str | None = None
    augmented: bool = False

    def of(self, module: nn.Module) -> Callable[[Tensor], Tensor]:
        """What turns images `[N, C, H, W]` into the representation.

        Raises:
            ValueError: If the module has no such layer, or cannot augment features.
        """
        encoder: Any = getattr(module, "encoder", None)
        if self.layer is not None:
            layers = getattr(encoder, "layers", ())
            if self.layer not in layers:
                fix = f"use one of {', '.join(layers)}" if layers else "set representation to null"
                raise ValueError(
                    f"layer {self.layer!r} cannot be probed: the encoder "
                    f"{type(encoder).__name__} has no layer of that name; {fix}"
                )
        if not self.augmented:
            return module if self.layer is None else self._plain(module)
        if not hasattr(module, "augment"):
            raise ValueError(
                f"{type(module).__name__} has no augmented features to join; set the "
                "representation's augmented to false"
            )
        if getattr(module, "generator", None) is None:
            return self._plain(module)
        return lambda image: torch.cat(
            [self._plain(module)(image).flatten(1), augmented(module, image)], dim=1
        )

    def _plain(self, module: Any) -> Callable[[Tensor], Tensor]:
        if self.layer is None:
            return module
        return lambda image: module.encoder.represent(image, self.layer)

    @property
    def words(self) -> str:
        """What is printed beside a score; nothing for the module's `forward`."""
        parts = [self.layer or "", "augmented" if self.augmented else ""]
        return " + ".join(filter(None, parts)) + ", " if any(parts) else ""


def augmented(module: Any, image: Tensor) -> Tensor:
    """Augmented features of all views of plain images side by side, `[N, V * D]`.

    Args:
        module: MetAug. An encoder with one network per view gets the channels of each view, one for
            all views the whole image for each.
        image: `[N, C, H, W]`.
    """
    channels = getattr(module.encoder, "channels", None)
    views = [image] * module.generator.num_views
    if channels is not None:
        views = [image[:, part] for part in channels]
    return module.augment(module.features(views)).flatten(1)
