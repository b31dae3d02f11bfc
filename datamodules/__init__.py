"""Data modules: several random views of images for training, clean images for probes."""

from .any_dataset import DatasetDataModule as DatasetDataModule
from .cifar import CIFAR10DataModule as CIFAR10DataModule, CIFAR100DataModule as CIFAR100DataModule
from .datamodule import MultiViewDataModule as MultiViewDataModule
from .digits import DigitsDataModule as DigitsDataModule
from .image_folder import ImageFolderDataModule as ImageFolderDataModule
from .imagenet import (
    ImageNet100DataModule as ImageNet100DataModule,
    ImageNetDataModule as ImageNetDataModule,
)
from .labelled import LabelledDataModule as LabelledDataModule
from .loading.batch import (
    ImageBatch as ImageBatch,
    LabelledBatch as LabelledBatch,
    MultiViewBatch as MultiViewBatch,
)
from .loading.dataset import (
    EvaluationDataset as EvaluationDataset,
    MultiViewDataset as MultiViewDataset,
)
from .loading.samplers import EvaluationSampler as EvaluationSampler, TrainSampler as TrainSampler
from .sources.dataset_source import DatasetSource as DatasetSource
from .sources.decode import UnreadableImageError as UnreadableImageError, read_image as read_image
from .sources.files import FileSource as FileSource
from .sources.image_source import (
    ImageSource as ImageSource,
    InMemorySource as InMemorySource,
    SubsetSource as SubsetSource,
)
from .sources.splits import Splits as Splits
from .stl10 import STL10DataModule as STL10DataModule
from .tiny_imagenet import TinyImageNetDataModule as TinyImageNetDataModule
from .transforms.color import (
    Change as Change,
    ColorJitter as ColorJitter,
    Grayscale as Grayscale,
    Solarize as Solarize,
)
from .transforms.geometry import (
    Framing as Framing,
    RandomCrop as RandomCrop,
    SmallMotion as SmallMotion,
)
from .transforms.simclr import SimCLRChanges as SimCLRChanges
from .transforms.texture import GaussianBlur as GaussianBlur, Noise as Noise
from .views.base import Recipe as Recipe, RecipeViews as RecipeViews, Views as Views
from .views.color_space_views import ColorSpaceViews as ColorSpaceViews
from .views.digit_views import DigitViews as DigitViews
from .views.multi_crop_views import MultiCropViews as MultiCropViews
from .views.simclr_views import SimCLRViews as SimCLRViews
from .views.transform_views import TransformViews as TransformViews
