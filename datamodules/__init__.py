"""Data modules: several random views of images for training, clean images for probes."""

from .batch import ImageBatch, LabelledBatch, MultiViewBatch
from .cifar import CIFAR10DataModule, CIFAR100DataModule
from .color import ColorJitter, GaussianBlur, Grayscale, Noise, Solarize
from .color_space_views import ColorSpaceViews
from .datamodule import MultiViewDataModule, Splits
from .dataset import EvaluationDataset, MultiViewDataset
from .decode import UnreadableImageError, read_image
from .digit_views import DigitViews
from .digits import DigitsDataModule
from .files import FileSource
from .geometry import RandomCrop, SmallMotion
from .image_folder import ImageFolderDataModule
from .multi_crop_views import MultiCropViews
from .samplers import EvaluationSampler, TrainSampler
from .simclr_views import SimCLRViews
from .source import ImageSource, InMemorySource, SubsetSource
from .views import Recipe, RecipeViews, TransformViews, Views

__all__ = [
    "CIFAR10DataModule",
    "CIFAR100DataModule",
    "ColorJitter",
    "ColorSpaceViews",
    "DigitViews",
    "DigitsDataModule",
    "EvaluationDataset",
    "EvaluationSampler",
    "FileSource",
    "GaussianBlur",
    "Grayscale",
    "ImageBatch",
    "ImageFolderDataModule",
    "ImageSource",
    "InMemorySource",
    "LabelledBatch",
    "MultiCropViews",
    "MultiViewBatch",
    "MultiViewDataModule",
    "MultiViewDataset",
    "Noise",
    "RandomCrop",
    "Recipe",
    "RecipeViews",
    "SimCLRViews",
    "SmallMotion",
    "Solarize",
    "Splits",
    "SubsetSource",
    "TrainSampler",
    "TransformViews",
    "UnreadableImageError",
    "Views",
    "read_image",
]
