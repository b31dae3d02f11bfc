"""The settings of the meta step."""

from dataclasses import dataclass
from typing import Any

from ..arguments.ranges import check_count
from .engines import Engine, check_inner_step
from .unrolled import InnerOptimizer


@dataclass(frozen=True)
class MetaStep:
    """How the generator is meta-learned.

    Args:
        engine: `lookahead` (cheap, approximate), `exact`, `higher` (unrolled; the reference)
            or `first_order` (drops the mixed term; for ablation). Under `bf16-mixed` rounding takes
            1 to 4 % of the gradient from `lookahead` and `exact` alike, at alpha = 0.01 more than
            `lookahead`'s own error: there `exact` buys nothing (docs/results.md).
        inner_lr: alpha > 0, the rate of the look-ahead step.
        every: The generator takes a meta step every so many batches, >= 1.
        audit_every: Every so many meta steps of `lookahead` the exact gradient too, the relative
            difference logged as `train/lookahead_error`; 0 for never.
        inner_steps: Number of inner steps (engine `higher` alone does more than 1).
        inner_optimizer: `sgd` or `adam` (engine `higher` alone).
        inner_momentum: Momentum of inner SGD (engine `higher` alone).

    Examples:
        >>> MetaStep(engine="exact", inner_lr=0.02).needs_first_derivatives_only
        False
    """

    engine: Engine = "lookahead"
    inner_lr: float = 0.05
    every: int = 1
    audit_every: int = 0
    inner_steps: int = 1
    inner_optimizer: InnerOptimizer = "sgd"
    inner_momentum: float = 0.0

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ValueError: Naming the setting, its value and how to fix it.
            EngineError: If the engine cannot do the inner steps asked for.
        """
        check_inner_step(
            self.engine,
            self.inner_lr,
            self.inner_steps,
            self.inner_optimizer,
            self.inner_momentum,
        )
        check_count("meta every", self.every)
        check_count("meta audit_every", self.audit_every, at_least=0)

    @property
    def engine_arguments(self) -> dict[str, Any]:
        """What `meta_gradient` is given of these settings, besides `inner_lr`."""
        return {
            "engine": self.engine,
            "inner_steps": self.inner_steps,
            "inner_optimizer": self.inner_optimizer,
            "inner_momentum": self.inner_momentum,
        }

    @property
    def needs_first_derivatives_only(self) -> bool:
        """Whether no step asks for forward-mode or second derivatives of the encoder."""
        return self.engine in ("lookahead", "first_order") and not self.audit_every

    def audits(self, step: int) -> bool:
        """Whether the error of `lookahead` is measured in a training step that is a meta step."""
        every = self.audit_every * self.every
        return bool(every) and self.engine == "lookahead" and step % every == 0
