"""Changes that may save time on a GPU, applied to the project while it is measured.

`copies`: buffers are copied together, one operation for each type; `draws`: the random state is not
kept, which is right for encoders without dropout; `log`: nothing is logged but every 20 steps;
`plain`: without the plain gradient of the generator, which only `train/meta_gap` needs. A change
whose target the project does not have any more is not applicable.
"""

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from metaug.lightning_modules import MetaGradient, MetAug
from metaug.lightning_modules.networks import functional_encoder
from torch import Tensor

ENGINES = "metaug.lightning_modules.meta_gradient.engines"
PASSES = "metaug.lightning_modules.meta_gradient.encoder_passes"


def copies_by_type(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Copies of tensors, one operation for each type.

    Args:
        tensors: Buffers.
    """
    copies: dict[int, Tensor] = {}
    for dtype in {tensor.dtype for tensor in tensors}:
        places = [place for place, tensor in enumerate(tensors) if tensor.dtype == dtype]
        values = torch._foreach_add([tensors[place].detach() for place in places], 0)
        copies.update(zip(places, values, strict=True))
    return [copies[place] for place in range(len(tensors))]


def log_every_20(log: Callable[..., None]) -> Callable[..., None]:
    """`MetAug.log` that does nothing but every 20 steps.

    Args:
        log: The method.
    """

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        if self.global_step % 20 == 0:
            log(self, *args, **kwargs)

    return wrapped


def lookahead_without_plain(
    passes: Any, inner: Any, outer: Any, step: Any, outer_passes: Any
) -> MetaGradient:
    """Engine `lookahead`; what it returns as plain gradient is the one at the look-ahead.

    Args:
        passes: The encoder.
        inner: The encoder's objective.
        outer: The generator's.
        step: The look-ahead step.
        outer_passes: The encoder again.
    """
    subtract_scaled = importlib.import_module(PASSES).subtract_scaled
    features, pullback = passes.linearize(passes.params)
    point = inner.gradients_at(features, second_order=True)
    gradient = pullback(point.grad_features)
    ahead = outer_passes.forward(step.ahead(passes.params, gradient))
    direct = outer.gradients_at(ahead).grad_generator
    mixed = point.mixed_derivative((features - ahead) / step.rate)
    generator = subtract_scaled(direct, mixed, step.rate)
    return MetaGradient(gradient, generator, point.loss, direct, features)


def _targets(name: str) -> list[tuple[Any, str, Any]]:
    """Owner, attribute and replacement of each thing that a change touches."""
    if name == "copies":
        return [(functional_encoder, "_copies", copies_by_type)]
    if name == "draws":
        return [
            (functional_encoder, "random_state", lambda device: ()),
            (functional_encoder, "replayed", lambda state, device: nullcontext()),
        ]
    if name == "log":
        return [(MetAug, "log", log_every_20(MetAug.log))]
    if name == "plain":
        return [(importlib.import_module(ENGINES), "lookahead", lookahead_without_plain)]
    raise ValueError(f"there is no change {name!r}; use copies, draws, log or plain")


def not_applicable(names: Sequence[str]) -> list[str]:
    """Those of the changes whose targets are not there.

    Args:
        names: Changes.
    """
    return [
        name
        for name in names
        if not all(hasattr(owner, attribute) for owner, attribute, _ in _targets(name))
    ]


@contextmanager
def applied(names: Sequence[str]) -> Iterator[None]:
    """Apply changes, and take them back.

    Args:
        names: Changes that are applicable.
    """
    with ExitStack() as stack:
        for name in names:
            for target in _targets(name):
                stack.enter_context(mock.patch.object(*target))
        yield
