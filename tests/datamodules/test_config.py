"""Data modules and views as they are written in YAML."""

import jsonargparse
import pytest
import torch
from metaug.datamodules import MultiViewDataModule

from metaug import datamodules

COMMON = {"batch_size": 4, "num_workers": 0, "labels_per_class": 2, "seed": 3}


def build(config):
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(MultiViewDataModule, "data")
    return parser.instantiate(parser.parse_object({"data": config})).data


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("DigitsDataModule", {}),
        ("CIFAR10DataModule", {"root": "somewhere"}),
        ("CIFAR100DataModule", {"root": "somewhere"}),
        ("STL10DataModule", {"train_split": "train+unlabeled"}),
        ("TinyImageNetDataModule", {"on_error": "skip"}),
        ("ImageFolderDataModule", {"root": "somewhere", "in_memory": "auto", "mean": [0.5] * 3}),
        ("HuggingFaceDataModule", {"root": "somewhere", "val_split": "dev", "label_column": None}),
        ("ImageNetDataModule", {"root": "somewhere", "image_size": 96}),
        ("ImageNet100DataModule", {"root": "somewhere", "in_memory": True}),
    ],
)
def test_every_data_module(name, arguments):
    path = f"metaug.datamodules.{name}"
    built = build({"class_path": path, "init_args": {**COMMON, **arguments}})
    assert type(built) is getattr(datamodules, name)
    assert built.seed == 3
    assert built.batch_size == 4
    for argument, value in arguments.items():
        if argument == "mean":
            assert list(built.views.mean) == value
        else:
            assert getattr(built, argument) == value


@pytest.mark.parametrize(
    ("name", "arguments", "channels"),
    [
        ("SimCLRViews", {"num_views": 3, "blur": 0.5, "crop_scale": [0.3, 0.9]}, [3, 3, 3]),
        ("DigitViews", {"degrees": 5}, [3, 3]),
        ("MultiCropViews", {"num_global": 2, "num_local": 1}, [3, 3, 3]),
        (
            "MultiCropViews",
            {
                "num_global": 1,
                "num_local": 2,
                "local_crop": {
                    "class_path": "metaug.datamodules.RandomCrop",
                    "init_args": {"scale": [0.1, 0.4]},
                },
                "changes": [
                    {
                        "class_path": "metaug.datamodules.SimCLRChanges",
                        "init_args": {"strength": 1.0, "blur": 0.5},
                    }
                ],
            },
            [3, 3, 3],
        ),
        ("ColorSpaceViews", {"space": "ycbcr"}, [1, 2, 3]),
        (
            "RecipeViews",
            {
                "recipes": [
                    {
                        "framing": {"class_path": "metaug.datamodules.RandomCrop"},
                        "changes": [
                            {
                                "class_path": "metaug.datamodules.ColorJitter",
                                "init_args": {"hue": 0.2},
                            },
                            {"class_path": "metaug.datamodules.GaussianBlur"},
                        ],
                    },
                    {"framing": {"class_path": "metaug.datamodules.SmallMotion"}},
                ]
            },
            [3, 3],
        ),
    ],
)
def test_every_kind_of_views(tmp_path, write_images, name, arguments, channels):
    write_images(tmp_path, 4, (16, 16))
    built = build(
        {
            "class_path": "metaug.datamodules.ImageFolderDataModule",
            "init_args": {
                **COMMON,
                "root": str(tmp_path),
                "image_size": 16,
                "views": {"class_path": f"metaug.datamodules.{name}", "init_args": arguments},
            },
        }
    )
    (batch,) = built.train_dataloader()
    assert [view.shape[1] for view in batch.views] == channels
    assert all(view.isfinite().all() for view in batch.views)
    assert len(batch.views) == built.num_views


def test_torchvision_transforms_in_yaml(tmp_path, write_images):
    write_images(tmp_path, 4, (16, 16))
    built = build(
        {
            "class_path": "metaug.datamodules.ImageFolderDataModule",
            "init_args": {
                **COMMON,
                "root": str(tmp_path),
                "image_size": 16,
                "views": {
                    "class_path": "metaug.datamodules.TransformViews",
                    "init_args": {
                        "transform": {
                            "class_path": "torchvision.transforms.v2.RandomResizedCrop",
                            "init_args": {"size": [8, 8]},
                        }
                    },
                },
            },
        }
    )
    (batch,) = built.train_dataloader()
    assert batch.views[0].shape == (4, 3, 8, 8)
    assert batch.views[0].dtype == torch.float32


def test_unknown_argument():
    with pytest.raises(jsonargparse.ArgumentError, match="btch_size"):
        build({"class_path": "metaug.datamodules.DigitsDataModule", "init_args": {"btch_size": 4}})
