"""What is trained: MetAug and its parts, each of the paper's ideas under its own name."""

from .alexnet import AlexNet, AlexNetSplit
from .encoder import Encoder, PerViewEncoder
from .generator import AugmentationGenerator
from .memory_bank import MemoryBank
from .meta_gradient import EngineError, MetaGradient, meta_gradient
from .meta_step import MetaStep
from .metaug import MetAug, NonFiniteLossError
from .objectives import (
    OUCL,
    InfoNCE,
    MarginRegularization,
    MetAugObjective,
    info_nce,
    margin_regularization,
    oucl,
)
from .optimization import OptimizerSettings
from .recipe import Rebuildable

__all__ = [
    "OUCL",
    "AlexNet",
    "AlexNetSplit",
    "AugmentationGenerator",
    "Encoder",
    "EngineError",
    "InfoNCE",
    "MarginRegularization",
    "MemoryBank",
    "MetAug",
    "MetAugObjective",
    "MetaGradient",
    "MetaStep",
    "NonFiniteLossError",
    "OptimizerSettings",
    "PerViewEncoder",
    "Rebuildable",
    "info_nce",
    "margin_regularization",
    "meta_gradient",
    "oucl",
]
