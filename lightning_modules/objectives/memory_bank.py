"""A memory bank of negatives, as in CMC (Tian et al., ECCV 2020) and the paper's own setting."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..arguments.ranges import check_count, check_number, check_seed
from ..checkpoints.rebuildable import Rebuildable
from ..checkpoints.step_draws import onto
from .pairs import Negatives


class MemoryBank(Rebuildable):
    """One feature per training image and view; negatives are drawn from it instead of the batch.

    Draws depend only on the seed and the step, so that they are the same on all processes and
    after a resume.

    Args:
        num_negatives: K, entries drawn per step; every instance of the batch is compared with the
            same draws, its own entry left out.
        momentum: Share of the old entry kept in an update.
        num_instances: Number of training images; null takes it from the data module.
        seed: Seed of the initial entries and of the draws.

    Examples:
        >>> bank = MemoryBank(num_negatives=16)
        >>> bank.allocate(num_instances=100, num_views=2, feature_dim=8)
        >>> bank.draw(step=0).features.shape
        torch.Size([2, 16, 8])
    """

    entries: Tensor

    def __init__(
        self,
        num_negatives: int = 1024,
        momentum: float = 0.5,
        num_instances: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_count("num_negatives", num_negatives)
        check_number("memory bank momentum", momentum, at_least=0, below=1)
        if num_instances is not None:
            check_count("num_instances", num_instances, at_least=2)
        check_seed(seed)
        self.num_negatives = num_negatives
        self.momentum = momentum
        self.num_instances = num_instances
        self.seed = seed
        self.register_buffer("entries", torch.empty(0))

    def allocate_for(self, datamodule: Any, feature_dim: int, *parts: Any) -> None:
        """Make room for a data module's training images, where there is none yet.

        Args:
            datamodule: May tell its `num_instances` and `num_views`.
            feature_dim: D.
            parts: What else may tell `num_views`: generator and encoder.

        Raises:
            ValueError: If nothing tells the number of images or of views.
        """
        if self.entries.numel():
            return
        instances = self.num_instances or getattr(datamodule, "num_instances", None)
        told = (getattr(part, "num_views", None) for part in (*parts, datamodule))
        views = next(filter(None, told), None)
        if not instances or not views:
            raise ValueError(
                "the memory bank must know the number of training images and of views; set its "
                "num_instances, and use a generator, encoder or data module that tells num_views"
            )
        self.allocate(instances, views, feature_dim)

    def allocate(self, num_instances: int, num_views: int, feature_dim: int) -> None:
        """Make room, once: random unit features `[num_instances, num_views, feature_dim]`."""
        if self.entries.numel():
            return
        generator = torch.Generator().manual_seed(self.seed)
        entries = torch.randn(num_instances, num_views, feature_dim, generator=generator)
        self.entries = functional.normalize(entries, dim=-1).to(self.entries.device)

    def draw(self, step: int) -> Negatives:
        """The negatives of a training step.

        Args:
            step: Number of the step.
        """
        generator = torch.Generator().manual_seed((self.seed + 1) * 0x9E3779B1 + step)
        count = self.entries.shape[0]
        index = torch.randint(count, (self.num_negatives,), generator=generator)
        index = onto(index, self.entries.device)  # drawn on the CPU: any device has the same draws
        return Negatives(self.entries[index].transpose(0, 1), index)

    @torch.no_grad()
    def update(self, features: Tensor, index: Tensor) -> None:
        """Move entries towards new features.

        Args:
            features: `[G, V, D]`, unit norm.
            index: Dataset index of each, `[G]`.
        """
        old = self.entries[index]
        mixed = self.momentum * old + (1 - self.momentum) * features.to(old.dtype)
        self.entries[index] = functional.normalize(mixed, dim=-1)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        saved = state_dict.get(prefix + "entries")
        if saved is not None and self.entries.shape != saved.shape and not self.entries.numel():
            self.entries = torch.empty_like(saved, device=self.entries.device)
        super()._load_from_state_dict(state_dict, prefix, *args)
