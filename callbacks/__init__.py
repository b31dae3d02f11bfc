"""What watches training: probes of the representation, figures and the final summary."""

from .features import Features, extract
from .knn import knn_predict
from .knn_probe import KNNProbe
from .linear_probe import LinearProbe
from .softmax_regression import SoftmaxRegression

__all__ = ["Features", "KNNProbe", "LinearProbe", "SoftmaxRegression", "extract", "knn_predict"]
