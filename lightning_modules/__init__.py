"""What is trained: MetAug and its parts, each of the paper's ideas under its own name."""

from .checkpoints.rebuildable import Rebuildable as Rebuildable
from .evaluation.pretrained_encoder import PretrainedEncoder as PretrainedEncoder
from .fine_tuner import FineTuner as FineTuner
from .frozen_backbone import FrozenBackbone as FrozenBackbone
from .linear_evaluator import LinearEvaluator as LinearEvaluator
from .meta_gradient import (
    EngineError as EngineError,
    MetaGradient as MetaGradient,
    MetaStep as MetaStep,
)
from .metaug import MetAug as MetAug
from .networks.alexnet import AlexNet as AlexNet, AlexNetSplit as AlexNetSplit
from .networks.encoder import Encoder as Encoder, PerViewEncoder as PerViewEncoder
from .networks.generator import AugmentationGenerator as AugmentationGenerator
from .networks.residual_generator import ResidualGenerator as ResidualGenerator
from .objectives import (
    OUCL as OUCL,
    InfoNCE as InfoNCE,
    MarginRegularization as MarginRegularization,
    MetAugObjective as MetAugObjective,
    info_nce as info_nce,
    margin_regularization as margin_regularization,
    oucl as oucl,
)
from .objectives.memory_bank import MemoryBank as MemoryBank
from .training.checks import NonFiniteLossError as NonFiniteLossError
from .training.optimization import OptimizerSettings as OptimizerSettings
