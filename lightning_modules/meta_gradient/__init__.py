"""The meta-gradient: how the generator learns from how well the encoder does after its step.

Below it: nothing but `distributed`. Used by the LightningModules, and by anyone with an encoder and
an objective of their own.
"""

from .engines import Engine, check_inner_step, encoder_gradient, meta_gradient
from .errors import EngineError
from .meta_step import MetaStep
from .result import MetaGradient, relative_distance
from .unrolled import InnerOptimizer

__all__ = [
    "Engine",
    "EngineError",
    "InnerOptimizer",
    "MetaGradient",
    "MetaStep",
    "check_inner_step",
    "encoder_gradient",
    "meta_gradient",
    "relative_distance",
]
