"""Small bilevel problems in float64: an encoder, a generator, an objective, and J by hand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from metaug.lightning_modules import (
    AugmentationGenerator,
    Encoder,
    MarginRegularization,
    MetAugObjective,
)
from metaug.lightning_modules.networks.functional_encoder import FunctionalEncoder
from torch import Tensor, nn

RESNET = {
    "backbone": "resnet18",
    "small_images": True,
    "backbone_args": {"layers": [1, 1, 1, 1], "channels": [4, 4, 8, 8], "zero_init_last": False},
}
VIT = {
    "backbone": "vit_tiny_patch16_224",
    "small_images": True,
    "backbone_args": {
        "img_size": 16,
        "depth": 2,
        "embed_dim": 16,
        "num_heads": 2,
        "proj_drop_rate": 0.2,
        "attn_drop_rate": 0.2,
        "drop_path_rate": 0.2,
    },
    "projection_norm": False,
}


def plain_backbone() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
    )


def encoder(name: str, **settings: Any) -> Encoder:
    torch.manual_seed(1)
    arguments = {
        "resnet": RESNET,
        "vit": VIT,
        "plain": {"backbone": plain_backbone(), "projection_norm": False},
    }[name]
    return Encoder(image_channels=1, projection_dim=6, **arguments, **settings).double()


def images(count: int = 6, views: int = 2, size: int = 16, seed: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(count, 1, size, size, dtype=torch.float64, generator=generator)
    noise = torch.randn(views, *shared.shape, dtype=torch.float64, generator=generator)
    return [shared + 0.5 * each for each in noise]


@dataclass
class Problem:
    """What `meta_gradient` takes; `inner` and `outer` are the two objectives."""

    network: Encoder
    views: list[Tensor]
    params: list[Tensor]
    generator: AugmentationGenerator
    inner: Callable[[Tensor], Tensor]
    outer: Callable[[Tensor], Tensor]

    @property
    def omega(self) -> list[Tensor]:
        return list(self.generator.parameters())

    def encode(self, views: list[Tensor] | None = None) -> FunctionalEncoder:
        """A fresh function of the parameters: its first pass moves statistics and random state."""
        parameters = self.network.named_parameters()
        names = [name for name, parameter in parameters if parameter.requires_grad]
        return FunctionalEncoder(self.network, names, views or self.views)


def problem(
    name: str = "resnet",
    composition: str = "unified",
    acts_on: str = "both",
    views: int = 2,
    count: int = 6,
    frozen_stages: int | list[str] = 0,
    **settings: bool,
) -> Problem:
    network = encoder(name, frozen_stages=frozen_stages)
    generator = AugmentationGenerator(6, views, 8).double()
    objective = MetAugObjective(
        composition=composition,
        augmented_weight=0.7,
        margin=MarginRegularization(weight=2.0, acts_on=acts_on),
        **settings,
    )
    return Problem(
        network,
        images(count, views),
        [parameter for parameter in network.parameters() if parameter.requires_grad],
        generator,
        lambda features: objective(features, generator).inner,
        lambda features: objective(features, generator, through=True).outer,
    )


def relative(first: list[Tensor], second: list[Tensor]) -> float:
    """|first - second| / |second| over all tensors."""
    flat = [torch.cat([each.detach().flatten() for each in tensors]) for tensors in (first, second)]
    return float((flat[0] - flat[1]).norm() / flat[1].norm())


def rerun(network: nn.Module) -> Callable[[], None]:
    """A function that puts buffers and random state back to what they are now."""
    buffers = {name: each.clone() for name, each in network.named_buffers()}
    state = torch.get_rng_state()

    def restore() -> None:
        network.load_state_dict(buffers, strict=False)
        torch.set_rng_state(state)

    return restore
