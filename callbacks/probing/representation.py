"""What a probe scores: a part of a module, with or without augmented features."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from metaug.lightning_modules.arguments.settings import read_settings
from metaug.lightning_modules.networks.parts import part_of
from torch import Tensor, nn

# a function that returns Tensor would let LightningCLI make it from any mapping
Network = str | Callable[[Any, Tensor], Any]


@dataclass(frozen=True)
class Representation:
    """Of a module, the representation `[N, F]` of images that a callback evaluates.

    Args:
        layer: A layer of `module.encoder`, for encoders that name their `layers` and take one of
            them in `represent(image, layer)`, as `AlexNetSplit` does; null for the module's
            `forward`.
        augmented: Join the augmented features of all views, as MetAug's generator makes them of a
            plain image; without a generator there are none to join.
        network: What maps images `[N, C, H, W]` to the representation, in place of the module's
            `forward`: the dotted path of a part of the module, such as `backbone` or
            `encoder.backbone`, or a function `(module, images) -> [N, F]`.

    Examples:
        >>> probed = Representation(layer="layer2")
        >>> probed.words
        'layer2, '
        >>> probed == Representation("layer2", augmented=False)  # probes of one share features
        True
        >>> foreign = nn.ModuleDict({"backbone": nn.Flatten()})
        >>> Representation(network="backbone").of(foreign)(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 192])
    """

    layer: str | None = None
    augmented: bool = False
    network: Network | None = None

    @classmethod
    def read(cls, given: "Represented") -> "Representation":
        """The representation that a callback's argument `representation` stands for.

        Args:
            given: One of this class, a mapping of its arguments, a `network`, or None for the
                module's `forward`.

        Raises:
            TypeError: If it is nothing of these.
        """
        if given is None:
            return cls()
        if isinstance(given, cls):
            return given
        if isinstance(given, Mapping):
            return read_settings("representation", given, cls)
        if isinstance(given, str) or callable(given):
            return cls(network=given)
        raise TypeError(
            f"representation={given!r} is none; give the dotted path of a part of the module such "
            "as 'backbone', a function (module, images) -> [N, F], or Representation(...)"
        )

    def of(self, module: nn.Module) -> Callable[[Tensor], Tensor]:
        """What turns images `[N, C, H, W]` into the representation.

        Raises:
            ValueError: If the module has no such layer or part, takes more than images, or cannot
                augment features.
        """
        encoder: Any = getattr(module, "encoder", None)
        if self.layer is not None:
            if self.network is not None:
                raise ValueError(
                    f"a representation is of layer={self.layer!r} or of network={self.network!r}, "
                    "not of both; leave one out"
                )
            layers = getattr(encoder, "layers", ())
            if self.layer not in layers:
                fix = f"use one of {', '.join(layers)}" if layers else "set representation to null"
                raise ValueError(
                    f"layer {self.layer!r} cannot be probed: the encoder "
                    f"{type(encoder).__name__} has no layer of that name; {fix}"
                )
        plain = self._plain(module)
        if not self.augmented:
            return plain
        if not hasattr(module, "augment"):
            raise ValueError(
                f"{type(module).__name__} has no augmented features to join; set the "
                "representation's augmented to false"
            )
        if getattr(module, "generator", None) is None:
            return plain
        return lambda image: torch.cat([plain(image).flatten(1), augmented(module, image)], dim=1)

    def _plain(self, module: Any) -> Callable[[Tensor], Tensor]:
        network = self.network
        if isinstance(network, str):
            try:
                part = part_of(module, network)
            except ValueError as error:
                raise ValueError(f"representation={network!r}: {error}") from error
            return getattr(part, "represent", part)
        if network is not None:
            return lambda image: network(module, image)
        if self.layer is not None:
            return lambda image: module.encoder.represent(image, self.layer)
        _check_takes_images(module)
        return module

    @property
    def words(self) -> str:
        """What is printed beside a score; nothing for the module's `forward`."""
        network = self.network
        if network is not None and not isinstance(network, str):
            network = getattr(network, "__name__", type(network).__name__).strip("<>")
        parts = [network or self.layer or "", "augmented" if self.augmented else ""]
        return " + ".join(filter(None, parts)) + ", " if any(parts) else ""


Represented = Representation | Network | Mapping[str, Any] | None
"""What callbacks take as `representation`, see `Representation.read`."""


def _check_takes_images(module: nn.Module) -> None:
    """Refuse a module whose `forward` needs more than images."""
    try:
        signature = inspect.signature(module.forward)
    except (TypeError, ValueError):  # it cannot tell
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise ValueError(
            f"{type(module).__name__}.forward takes ({', '.join(signature.parameters)}), not only "
            "images. Set representation= to the dotted path of the part that maps images to [N, F] "
            f"({_children(module)}), or to a function (module, images) -> [N, F]"
        ) from error


def _children(module: nn.Module) -> str:
    return ", ".join(name for name, _ in module.named_children()) or "no parts"


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
