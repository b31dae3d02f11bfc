"""The objective of MetAug, each of its ideas under its own name."""

from .info_nce import InfoNCE, info_nce
from .margin import MarginRegularization, margin_regularization, margins
from .metaug_objective import MetAugObjective, Terms
from .oucl import OUCL, oucl
from .pairs import Negatives, PairSet, form_pairs

__all__ = [
    "OUCL",
    "InfoNCE",
    "MarginRegularization",
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
