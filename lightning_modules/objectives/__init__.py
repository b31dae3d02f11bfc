"""The objective of MetAug, each of the paper's ideas under its own name.

It imports `checkpoints` alone; used by the LightningModules and by monitors.
"""

from .info_nce import InfoNCE, info_nce
from .margin import MarginRegularization, margin_regularization, margins
from .memory_bank import MemoryBank
from .metaug_objective import MetAugObjective, Terms
from .oucl import OUCL, oucl
from .pairs import Negatives, PairSet, form_pairs

__all__ = [
    "OUCL",
    "InfoNCE",
    "MarginRegularization",
    "MemoryBank",
    "MetAugObjective",
    "Negatives",
    "PairSet",
    "Terms",
    "form_pairs",
    "info_nce",
    "margin_regularization",
    "margins",
    "oucl",
]
