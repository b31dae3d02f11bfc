"""What watches training: probes of the representation, monitors, figures, export and report."""

from metaug.lightning_modules.evaluation.features import extract as extract
from metaug.lightning_modules.evaluation.labeled import Features as Features

from .artifacts.run_files import run_directory as run_directory
from .artifacts.timm_export import export_backbone as export_backbone
from .checkpoint import Checkpoint as Checkpoint
from .collapse_monitor import CollapseMonitor as CollapseMonitor
from .compile_backbone import CompileBackbone as CompileBackbone
from .export import Export as Export
from .feature_map import FeatureMap as FeatureMap
from .generator_monitor import GeneratorMonitor as GeneratorMonitor
from .knn_grid import KNNGrid as KNNGrid
from .knn_probe import KNNProbe as KNNProbe
from .linear_probe import LinearProbe as LinearProbe
from .probing.knn import knn_predict as knn_predict, knn_predict_grid as knn_predict_grid
from .probing.representation import Representation as Representation
from .probing.representation_metrics import (
    alignment as alignment,
    effective_rank as effective_rank,
    feature_std as feature_std,
    uniformity as uniformity,
)
from .probing.softmax_regression import SoftmaxRegression as SoftmaxRegression
from .progress_line import ProgressLine as ProgressLine
from .report import Report as Report
from .summary import Summary as Summary
from .training_curves import TrainingCurves as TrainingCurves
from .views_grid import ViewsGrid as ViewsGrid
from .write_features import WriteFeatures as WriteFeatures, save_features as save_features
