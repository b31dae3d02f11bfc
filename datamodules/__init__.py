"""Data modules: several random views of images for training, clean images for probes."""

from .any_dataset import DatasetDataModule
from .batch import ImageBatch, LabelledBatch, MultiViewBatch
from .cifar import CIFAR10DataModule, CIFAR100DataModule
from .color import Change, ColorJitter, Grayscale, Solarize
from .color_space_views import ColorSpaceViews
from .datamodule import MultiViewDataModule, Splits
from .dataset import EvaluationDataset, MultiViewDataset
from .dataset_source import DatasetSource
from .decode import UnreadableImageError, read_image
from .digit_views import DigitViews
from .digits import DigitsDataModule
from .files import FileSource
from .geometry import Framing, RandomCrop, SmallMotion
from .image_folder import ImageFolderDataModule
from .imagenet import ImageNet100DataModule, ImageNetDataModule
from .labelled import LabelledDataModule
from .multi_crop_views import MultiCropViews
from .samplers import EvaluationSampler, TrainSampler
from .simclr_views import SimCLRViews
from .source import ImageSource, InMemorySource, SubsetSource
from .stl10 import STL10DataModule
from .texture import GaussianBlur, Noise
from .tiny_imagenet import TinyImageNetDataModule
from .transform_views import TransformViews
from .views import Recipe, RecipeViews, Views

__all__ = [
    "CIFAR10DataModule",
    "CIFAR100DataModule",
    "Change",
    "ColorJitter",
    "ColorSpaceViews",
    "DatasetDataModule",
    "DatasetSource",
    "DigitViews",
    "DigitsDataModule",
    "EvaluationDataset",
    "EvaluationSampler",
    "FileSource",
    "Framing",
    "GaussianBlur",
    "Grayscale",
    "ImageBatch",
    "ImageFolderDataModule",
    "ImageNet100DataModule",
    "ImageNetDataModule",
    "ImageSource",
    "InMemorySource",
    "LabelledBatch",
    "LabelledDataModule",
    "MultiCropViews",
    "MultiViewBatch",
    "MultiViewDataModule",
    "MultiViewDataset",
    "Noise",
    "RandomCrop",
    "Recipe",
    "RecipeViews",
    "STL10DataModule",
    "SimCLRViews",
    "SmallMotion",
    "Solarize",
    "Splits",
    "SubsetSource",
    "TinyImageNetDataModule",
    "TrainSampler",
    "TransformViews",
    "UnreadableImageError",
    "Views",
    "read_image",
]
