"""What a training step computes before any optimizer steps: gradients over the global batch."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from ..distributed.processes import Processes, current_processes
from ..meta_gradient import (
    MetaGradient,
    MetaStep,
    encoder_gradient,
    meta_gradient,
    relative_distance,
)
from ..networks.functional_encoder import FunctionalEncoder
from ..networks.tensor_slots import TensorSlots
from ..objectives import MemoryBank
from ..objectives.row_blocks import BatchObjective
from .batch_formats import Batch, join
from .checks import check_views


@dataclass(frozen=True)
class StepGradients:
    """Gradients of one step, and what is logged of it.

    Attributes:
        gradients: The encoder's gradient and the generator's, which is empty between meta steps.
        objective: L of the batch, as it was evaluated.
        index: Dataset index of the global batch, `[G]`, if there is a memory bank.
        lookahead_error: Relative error of `lookahead`, where it was audited.
    """

    gradients: MetaGradient
    objective: BatchObjective
    index: Tensor | None
    lookahead_error: Tensor | None

    @property
    def contrast(self) -> Tensor:
        """The contrastive loss, a scalar."""
        return self.objective.contrast

    @property
    def margin(self) -> Tensor:
        """R, a scalar; 0 without a generator or a margin."""
        return self.objective.margin

    @property
    def values(self) -> dict[str, Tensor]:
        """What is logged, by name; each a scalar."""
        values = {
            "train/loss": self.gradients.loss,
            "train/contrastive": self.contrast,
            "train/oucl": self.contrast,  # its name where the loss is OUCL
            "train/margin": self.margin,
        }
        if self.gradients.generator:
            values["train/meta_gap"] = self.gradients.gap
        if self.lookahead_error is not None:
            values["train/lookahead_error"] = self.lookahead_error
        return values

    @property
    def terms(self) -> dict[str, Tensor]:
        """What the loss is made of, by name, for errors; each a scalar."""
        features = self.gradients.features.sum()
        parts = {"contrastive loss": self.contrast, "margin regularization": self.margin}
        return {**parts, "features": features}


@dataclass(frozen=True)
class StepComputation:
    """The networks and settings that a step's gradients follow from.

    Args:
        encoder: f_theta.
        generator: a_omega, or None.
        objective: L(theta, omega).
        memory_bank: Gives negatives, or None for in-batch negatives.
        meta: Settings of the meta step.
        micro_batch_size: Instances encoded at once; None for all of a batch.
        draws: Whether the encoder may draw random numbers.
    """

    encoder: nn.Module
    generator: nn.Module | None
    objective: nn.Module
    memory_bank: MemoryBank | None
    meta: MetaStep
    micro_batch_size: int | None
    draws: bool = True

    @cached_property
    def encoder_slots(self) -> TensorSlots:
        """Where the encoder's tensors are."""
        return TensorSlots(self.encoder)

    @cached_property
    def generator_slots(self) -> TensorSlots | None:
        """Where the generator's tensors are, if there is one."""
        return None if self.generator is None else TensorSlots(self.generator)

    @cached_property
    def draws_by_step(self) -> list[Any]:
        """Parts of generator and objective whose random numbers follow from the step."""
        networks = [each for each in (self.generator, self.objective) if each is not None]
        parts = [part for network in networks for part in network.modules()]
        return [part for part in parts if callable(getattr(part, "set_step", None))]

    def __call__(
        self, batches: list[Batch], step: int, *, plain_generator: bool = True
    ) -> StepGradients:
        """Compute over the instances of all batches and all processes.

        Args:
            batches: Loader batches that form one contrastive batch.
            step: Number of the training step; meta steps, draws and audits follow from it.
            plain_generator: Whether the plain gradient of the generator is wanted too.
        """
        processes = current_processes()
        for part in self.draws_by_step:
            part.set_step(step)
        objective, index = self._objective(join(batches), step, processes)
        names, slots = list(self.encoder_slots.trained), self.encoder_slots
        encodes = [
            FunctionalEncoder(self.encoder, names, views, slots=slots, draws=self.draws)
            for batch in batches
            for views in batch.split(self.micro_batch_size)
        ]
        gradients, error = self._gradients(encodes, objective, step, processes, plain_generator)
        return StepGradients(gradients, objective, index, error)

    def _objective(
        self, batch: Batch, step: int, processes: Processes
    ) -> tuple[BatchObjective, Tensor | None]:
        views = len(batch.views)
        check_views(views, "batch has", self.encoder, self.generator)
        count = batch.views[0].shape[0] * processes.count
        index = negatives = None
        if self.memory_bank is not None:
            index = processes.gather(batch.index_for_bank())
            negatives = self.memory_bank.draw(step)
        elif count < 2:
            raise ValueError(
                "a batch of 1 instance has no negatives; use a batch of 2 or more (drop_last=True "
                "in the loader leaves out a short last batch), or a memory bank"
            )
        given = (self.objective, self.generator, count, views, negatives, index)
        return BatchObjective(*given), index

    def _gradients(
        self,
        encodes: list[FunctionalEncoder],
        objective: BatchObjective,
        step: int,
        processes: Processes,
        plain_generator: bool,
    ) -> tuple[MetaGradient, Tensor | None]:
        params = list(self.encoder_slots.trained.values())
        slots = self.generator_slots
        if slots is None or not slots.trained or step % self.meta.every:  # no meta step
            plain = encoder_gradient(encodes, params, objective.inner, processes=processes)
            return plain, None
        arguments: dict[str, Any] = {
            "encode": encodes,
            "encoder_params": params,
            "objective": objective.inner,
            "generator_params": list(slots.trained.values()),
            "inner_lr": self.meta.inner_lr,
            "outer_objective": objective.outer,
            "plain_generator": plain_generator,
            "processes": processes,
        }
        result, error = meta_gradient(**arguments, **self.meta.engine_arguments), None
        if self.meta.audits(step):
            reference = meta_gradient(**arguments, engine="exact")
            error = relative_distance(result.generator, reference.generator)
        if getattr(self.objective, "adversarial", False):
            result = result.for_ascent()
        return result, error
