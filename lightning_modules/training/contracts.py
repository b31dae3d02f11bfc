"""What MetAug asks of an encoder, a generator and an objective of your own.

Any `nn.Module` of these shapes is welcome; the classes of this project are no more than that. One
that also inherits from `Rebuildable` is rebuilt by a checkpoint alone, any other is given again:
`MetAug.load_from_checkpoint(path, encoder=..., generator=..., objective=...)`.

Letters: `N` instances, `G` of the global batch, `V` views, `D` feature size, `F` representation
size.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..networks.backbone import first_line, representation_of_zeros
from ..objectives import Terms


class EncoderContract(Protocol):
    """f_theta: what is trained.

    Attributes that may be left out: `feature_dim`, the D of its features, which a memory bank must
    know; `num_views`, if it takes V views and no other number.
    """

    def represent(self, image: Tensor) -> Tensor:
        """The representation that probes use, `[N, C, H, W] -> [N, F]`."""
        ...

    def __call__(self, views: Sequence[Tensor]) -> Tensor:
        """Unit-norm features, V times `[N, C, H, W] -> [N, V, D]`."""
        ...


class GeneratorContract(Protocol):
    """a_omega: what is meta-learned. Attributes `num_views` and `feature_dim` may be left out.

    One without trained parameters takes no meta step. Of any part a method `set_step(step)` is
    called with the number of each training step, for draws that follow from it.
    """

    def __call__(self, features: Tensor) -> Tensor:
        """Augmented features, `[N, V, D] -> [N, V, D]`, unit norm."""
        ...


class ObjectiveContract(Protocol):
    """L(theta, omega): what both minimize.

    Optional keywords of the call: `rows` for batches in blocks, `negatives` and `index` for a
    memory bank, `through` if the generator's objective `differs` (see `MetAugObjective`); and
    attributes `differs` and `adversarial`, false where they are left out.
    """

    def __call__(
        self, features: Tensor, augment: Callable[[Tensor], Tensor] | None
    ) -> Tensor | Terms:
        """The objective of all features `[G, V, D]`, a scalar, or `Terms` to have its parts logged.

        Args:
            features: Original features of the global batch, unit norm.
            augment: The generator, or None.
        """
        ...


_ENCODER = """
    def represent(self, image): ...  # [N, C, H, W] -> [N, F]
    def forward(self, views): ...    # V x [N, C, H, W] -> unit-norm features [N, V, D]"""


def check_encoder(encoder: Any, memory_bank: nn.Module | None) -> None:
    """Check that an encoder has what `EncoderContract` says.

    Raises:
        TypeError: Saying what is missing, with the lines to add.
    """
    if not callable(getattr(encoder, "represent", None)):
        raise TypeError(
            f"the encoder {type(encoder).__name__} has no represent(image). A backbone that maps "
            f"images [N, C, H, W] to [N, F] becomes an encoder by Encoder(backbone); an encoder of "
            f"your own needs{_ENCODER}"
        )
    if memory_bank is not None and not hasattr(encoder, "feature_dim"):
        raise TypeError(
            f"a memory bank must know the size D of features [N, V, D], but the encoder "
            f"{type(encoder).__name__} has no feature_dim; add in its __init__\n"
            "    self.feature_dim = ..."
        )


def check_images(encoder: Any, data: Any) -> None:
    """Check that an encoder takes the images of a data module, by two blank ones.

    Args:
        encoder: An encoder; its mode and the random state stay as they are.
        data: May tell its `image_channels` and `image_size`.

    Raises:
        ValueError: If it does not, or gives something else than `[N, F]`.
    """
    channels, size = getattr(data, "image_channels", None), getattr(data, "image_size", None)
    if not (isinstance(channels, int) and isinstance(size, int)):
        return
    images = f"the data's images of {channels} channel(s) and {size} x {size} pixels"
    try:
        with torch.random.fork_rng(devices=[]), torch.compiler.set_stance("force_eager"):
            represent = getattr(encoder, "represent", encoder)
            output = representation_of_zeros(encoder, channels, size, represent)
    except Exception as error:
        raise ValueError(
            f"the encoder does not take {images} ({first_line(error)}); build it with "
            f"image_channels={channels} and, if it is a transformer, image_size={size}, or set "
            "those of the data module"
        ) from error
    if not isinstance(output, Tensor) or output.ndim != 2:
        got = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(
            f"the encoder must map {images} to representations [N, F], got {got}; its backbone "
            "needs pooling and flattening"
        )


def check_objective(objective: Any, memory_bank: nn.Module | None) -> None:
    """Check that an objective takes features and generator, and a bank's negatives if there is one.

    Raises:
        TypeError: Saying what is missing, with the line to add.
    """
    names = set(inspect.signature(objective.forward).parameters)
    needed = {"negatives", "index"} if memory_bank is not None else set()
    if len(names) < 2 or not needed <= names:
        keywords = ", *, negatives=None, index=None" if needed else ""
        raise TypeError(
            f"the objective {type(objective).__name__} cannot be called as MetAug does; it needs\n"
            f"    def forward(self, features, augment{keywords}): ...  # [G, V, D] -> scalar"
        )


def check_agreement(encoder: Any, generator: Any) -> None:
    """Check that encoder and generator agree on the feature size and the number of views.

    Raises:
        ValueError: If they do not.
    """
    size, views = getattr(encoder, "feature_dim", None), getattr(encoder, "num_views", None)
    expected_size = getattr(generator, "feature_dim", size)
    expected_views = getattr(generator, "num_views", views)
    if size is not None and size != expected_size:
        raise ValueError(
            f"the encoder's projection_dim is {size}, the generator's feature_dim is "
            f"{expected_size}; set both to the same number"
        )
    if views is not None and views != expected_views:
        raise ValueError(
            f"the encoder has {views} views, the generator num_views={expected_views}; set both to "
            "the same number"
        )
