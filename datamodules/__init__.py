"""Data modules: several random views of images for training, clean images for probes."""

from .any_dataset import DatasetDataModule
from .cifar import CIFAR10DataModule, CIFAR100DataModule
from .datamodule import MultiViewDataModule
from .digits import DigitsDataModule
from .hugging_face import HuggingFaceDataModule
from .image_folder import ImageFolderDataModule
from .imagenet import (
    ImageNet100DataModule,
    ImageNetDataModule,
)
from .labelled import LabelledDataModule
from .loading.batch import (
    ImageBatch,
    IndexBatch,
    LabelledBatch,
    MultiViewBatch,
)
from .loading.dataset import (
    EvaluationDataset,
    MultiViewDataset,
)
from .loading.encoded import EncodedBatch
from .loading.samplers import EvaluationSampler, TrainSampler
from .sources.dataset_source import DatasetSource
from .sources.decode import UnreadableImageError, read_image
from .sources.files import FileSource
from .sources.image_source import (
    ImageSource,
    InMemorySource,
    SubsetSource,
)
from .sources.splits import Splits
from .stl10 import STL10DataModule
from .tiny_imagenet import TinyImageNetDataModule
from .transforms.color import (
    Change,
    ColorJitter,
    Grayscale,
    Solarize,
)
from .transforms.geometry import (
    Framing,
    RandomCrop,
    SmallMotion,
)
from .transforms.simclr import SimCLRChanges
from .transforms.texture import GaussianBlur, Noise
from .views.any_channel_views import AnyChannelViews
from .views.base import Recipe, RecipeViews, Views
from .views.color_space_views import ColorSpaceViews
from .views.digit_views import DigitViews
from .views.multi_crop_views import MultiCropViews
from .views.simclr_views import SimCLRViews
from .views.transform_views import TransformViews
from .web_dataset import WebDatasetDataModule

__all__ = [
    "AnyChannelViews",
    "CIFAR10DataModule",
    "CIFAR100DataModule",
    "Change",
    "ColorJitter",
    "ColorSpaceViews",
    "DatasetDataModule",
    "DatasetSource",
    "DigitViews",
    "DigitsDataModule",
    "EncodedBatch",
    "EvaluationDataset",
    "EvaluationSampler",
    "FileSource",
    "Framing",
    "GaussianBlur",
    "Grayscale",
    "HuggingFaceDataModule",
    "ImageBatch",
    "ImageFolderDataModule",
    "ImageNet100DataModule",
    "ImageNetDataModule",
    "ImageSource",
    "InMemorySource",
    "IndexBatch",
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
    "SimCLRChanges",
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
    "WebDatasetDataModule",
    "read_image",
]
