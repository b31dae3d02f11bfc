"""The objective of MetAug, each of the paper's ideas under its own name.

It imports `arguments` and `checkpoints` alone; used by the LightningModules and by monitors.
"""

from .hard_negative_mixing import HardNegativeMixing as HardNegativeMixing
from .implicit_feature_modification import (
    ImplicitFeatureModification as ImplicitFeatureModification,
    harden as harden,
)
from .info_nce import InfoNCE as InfoNCE, info_nce as info_nce
from .margin import (
    MarginRegularization as MarginRegularization,
    margin_regularization as margin_regularization,
    margins as margins,
)
from .memory_bank import MemoryBank as MemoryBank
from .metaug_objective import MetAugObjective as MetAugObjective, Terms as Terms
from .negative_interpolation import NegativeInterpolation as NegativeInterpolation
from .oucl import OUCL as OUCL, oucl as oucl
from .pairs import Negatives as Negatives, PairSet as PairSet, form_pairs as form_pairs
