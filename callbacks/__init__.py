"""What watches training: probes of the representation, figures and the final summary."""

from .feature_map import FeatureMap
from .features import Features, extract
from .knn import knn_predict
from .knn_probe import KNNProbe
from .linear_probe import LinearProbe
from .softmax_regression import SoftmaxRegression
from .summary import Summary
from .training_curves import TrainingCurves
from .views_grid import ViewsGrid

__all__ = [
    "FeatureMap",
    "Features",
    "KNNProbe",
    "LinearProbe",
    "SoftmaxRegression",
    "Summary",
    "TrainingCurves",
    "ViewsGrid",
    "extract",
    "knn_predict",
]
