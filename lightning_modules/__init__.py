"""What is trained: MetAug and its parts, each of the paper's ideas under its own name."""

from .checkpoints.rebuildable import Rebuildable
from .evaluation.pretrained_encoder import PretrainedEncoder
from .fine_tuner import FineTuner
from .frozen_backbone import FrozenBackbone
from .linear_evaluator import LinearEvaluator
from .meta_gradient import (
    EngineError,
    MetaGradient,
    MetaStep,
)
from .metaug import MetAug
from .networks.alexnet import AlexNet, AlexNetSplit
from .networks.encoder import Encoder, PerViewEncoder
from .networks.exported_backbone import read_exported
from .networks.extrapolation_generator import ExtrapolationGenerator
from .networks.generator import AugmentationGenerator
from .networks.noise_generator import NoiseGenerator
from .networks.residual_generator import ResidualGenerator
from .objectives import (
    OUCL,
    HardNegativeMixing,
    ImplicitFeatureModification,
    InfoNCE,
    MarginRegularization,
    MetAugObjective,
    NegativeInterpolation,
    harden,
    info_nce,
    margin_regularization,
    oucl,
)
from .objectives.memory_bank import MemoryBank
from .training.checks import NonFiniteLossError
from .training.optimization import OptimizerSettings

__all__ = [
    "OUCL",
    "AlexNet",
    "AlexNetSplit",
    "AugmentationGenerator",
    "Encoder",
    "EngineError",
    "ExtrapolationGenerator",
    "FineTuner",
    "FrozenBackbone",
    "HardNegativeMixing",
    "ImplicitFeatureModification",
    "InfoNCE",
    "LinearEvaluator",
    "MarginRegularization",
    "MemoryBank",
    "MetAug",
    "MetAugObjective",
    "MetaGradient",
    "MetaStep",
    "NegativeInterpolation",
    "NoiseGenerator",
    "NonFiniteLossError",
    "OptimizerSettings",
    "PerViewEncoder",
    "PretrainedEncoder",
    "Rebuildable",
    "ResidualGenerator",
    "harden",
    "info_nce",
    "margin_regularization",
    "oucl",
    "read_exported",
]
