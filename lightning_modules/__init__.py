"""What is trained: MetAug and its parts, each of the paper's ideas under its own name."""

from .alexnet import AlexNet, AlexNetSplit
from .checks import NonFiniteLossError
from .encoder import Encoder, PerViewEncoder
from .fine_tuner import FineTuner
from .frozen_backbone import FrozenBackbone
from .generator import AugmentationGenerator
from .linear_evaluator import LinearEvaluator
from .memory_bank import MemoryBank
from .meta_gradient import EngineError, MetaGradient, meta_gradient
from .meta_step import MetaStep
from .metaug import MetAug
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
from .pretrained_encoder import PretrainedEncoder
from .recipe import Rebuildable

__all__ = [
    "OUCL",
    "AlexNet",
    "AlexNetSplit",
    "AugmentationGenerator",
    "Encoder",
    "EngineError",
    "FineTuner",
    "FrozenBackbone",
    "InfoNCE",
    "LinearEvaluator",
    "MarginRegularization",
    "MemoryBank",
    "MetAug",
    "MetAugObjective",
    "MetaGradient",
    "MetaStep",
    "NonFiniteLossError",
    "OptimizerSettings",
    "PerViewEncoder",
    "PretrainedEncoder",
    "Rebuildable",
    "info_nce",
    "margin_regularization",
    "meta_gradient",
    "oucl",
]
