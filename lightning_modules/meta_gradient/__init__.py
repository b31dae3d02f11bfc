"""The meta-gradient: how the generator learns from how well the encoder does after its step.

Below it: nothing but `arguments` and `distributed`. Used by the LightningModules, and by anyone
with an encoder and an objective of their own.
"""

from .engines import (
    Engine as Engine,
    check_inner_step as check_inner_step,
    encoder_gradient as encoder_gradient,
    meta_gradient as meta_gradient,
)
from .errors import EngineError as EngineError
from .meta_step import MetaStep as MetaStep
from .result import MetaGradient as MetaGradient, relative_distance as relative_distance
from .unrolled import InnerOptimizer as InnerOptimizer
