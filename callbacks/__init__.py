"""What watches training: probes of the representation, monitors, figures, export and report."""

from metaug.lightning_modules.evaluation.features import extract
from metaug.lightning_modules.evaluation.labeled import Features

from .artifacts.exported_folder import export_backbone
from .artifacts.hub import push_to_hub
from .artifacts.run_files import run_directory
from .checkpoint import Checkpoint
from .compile_backbone import CompileBackbone
from .export import Export
from .feature_map import FeatureMap
from .knn_grid import KNNGrid
from .knn_probe import KNNProbe
from .linear_probe import LinearProbe
from .monitors.attraction_monitor import AttractionMonitor
from .monitors.collapse_monitor import CollapseMonitor
from .monitors.generator_monitor import GeneratorMonitor
from .probing.knn import knn_predict, knn_predict_grid
from .probing.representation import Representation
from .probing.representation_metrics import (
    alignment,
    effective_rank,
    feature_std,
    two_view_infonce,
    uniformity,
)
from .probing.softmax_regression import SoftmaxRegression
from .progress_line import ProgressLine
from .report import Report
from .representation_infonce import RepresentationInfoNCE
from .summary import Summary
from .training_curves import TrainingCurves
from .views_grid import ViewsGrid
from .write_features import WriteFeatures, save_features

__all__ = [
    "AttractionMonitor",
    "Checkpoint",
    "CollapseMonitor",
    "CompileBackbone",
    "Export",
    "FeatureMap",
    "Features",
    "GeneratorMonitor",
    "KNNGrid",
    "KNNProbe",
    "LinearProbe",
    "ProgressLine",
    "Report",
    "Representation",
    "RepresentationInfoNCE",
    "SoftmaxRegression",
    "Summary",
    "TrainingCurves",
    "ViewsGrid",
    "WriteFeatures",
    "alignment",
    "effective_rank",
    "export_backbone",
    "extract",
    "feature_std",
    "knn_predict",
    "knn_predict_grid",
    "push_to_hub",
    "run_directory",
    "save_features",
    "two_view_infonce",
    "uniformity",
]
