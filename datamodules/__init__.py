"""Data modules: several random views of images for training, clean images for probes."""

from .batch import ImageBatch, LabelledBatch, MultiViewBatch
from .cifar import CIFAR10DataModule, CIFAR100DataModule
from .datamodule import MultiViewDataModule, Splits
from .dataset import EvaluationDataset, MultiViewDataset
from .decode import UnreadableImageError, read_image
from .digit_views import DigitViews
from .digits import DigitsDataModule
from .files import FileSource
from .image_folder import ImageFolderDataModule
from .samplers import EvaluationSampler, TrainSampler
from .simclr_views import SimCLRViews
from .source import ImageSource, InMemorySource, SubsetSource
from .views import Recipe, RecipeViews, TransformViews, Views

__all__ = [
    "CIFAR10DataModule",
    "CIFAR100DataModule",
    "DigitViews",
    "DigitsDataModule",
    "EvaluationDataset",
    "EvaluationSampler",
    "FileSource",
    "ImageBatch",
    "ImageFolderDataModule",
    "ImageSource",
    "InMemorySource",
    "LabelledBatch",
    "MultiViewBatch",
    "MultiViewDataModule",
    "MultiViewDataset",
    "Recipe",
    "RecipeViews",
    "SimCLRViews",
    "Splits",
    "SubsetSource",
    "TrainSampler",
    "TransformViews",
    "UnreadableImageError",
    "Views",
    "read_image",
]
