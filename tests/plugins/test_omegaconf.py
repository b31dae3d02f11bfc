"""OmegaConf's containers in every constructor that takes a list, a tuple or a dict."""

import json

import pytest
import pytorch_lightning as pl
import torch
from metaug.lightning_modules import MetAug, OptimizerSettings
from torch import Tensor

omegaconf = pytest.importorskip("omegaconf", reason="pip install '.[plugins]'")
instantiate = pytest.importorskip("hydra.utils").instantiate

MODULES, DATA, WATCH = (
    f"metaug.{room}." for room in ("lightning_modules", "datamodules", "callbacks")
)
SMALL = {"layers": [1, 1, 1, 1], "channels": [4, 4, 8, 8]}
ENCODER = {
    "_target_": f"{MODULES}Encoder",
    "small_images": True,
    "image_channels": 1,
    "projection_dim": 8,
    "backbone_args": SMALL,
    "frozen_stages": ["conv1", "bn1"],
}
GENERATOR = {"_target_": f"{MODULES}AugmentationGenerator", "feature_dim": 8}
PER_VIEW = {
    "_target_": f"{MODULES}PerViewEncoder",
    "encoders": [ENCODER, ENCODER],
    "channels": [[0], [0]],
}


def data(views: str, **settings) -> dict:
    """Any data set, with views of a kind."""
    return {
        "_target_": f"{DATA}DatasetDataModule",
        "train": {
            "_target_": "torchvision.datasets.FakeData",
            "size": 8,
            "image_size": [3, 32, 32],
        },
        "image_size": 32,
        "batch_size": 4,
        "num_workers": 0,
        "value_range": [0, 255],
        "mean": [0.5, 0.5, 0.5],
        "std": [0.2, 0.2, 0.2],
        "views": {"_target_": f"{DATA}{views}", **settings},
    }


CROP = {"_target_": f"{DATA}RandomCrop", "scale": [0.3, 1.0]}
CHANGES = [{"_target_": f"{DATA}ColorJitter"}, {"_target_": f"{DATA}Noise"}]
RECIPE = {"_target_": f"{DATA}Recipe", "framing": CROP, "changes": CHANGES}
CASES = {
    "Encoder": ENCODER,
    "PerViewEncoder": PER_VIEW,
    "AlexNetSplit": {
        "_target_": f"{MODULES}AlexNetSplit",
        "channels": [[0], [1, 2]],
        "width": 1 / 32,
    },
    "OptimizerSettings": {"_target_": f"{MODULES}OptimizerSettings", "milestones": [1, 2]},
    "LinearEvaluator": {
        "_target_": f"{MODULES}LinearEvaluator",
        "backbone": ENCODER,
        "learning_rates": [0.1, 1.0],
    },
    "FineTuner": {
        "_target_": f"{MODULES}FineTuner",
        "backbone": ENCODER,
        "optimizer": {"milestones": [1]},
    },
    "SimCLRViews": data("SimCLRViews", crop_scale=[0.3, 1.0], blur=0.5, blur_sigma=[0.3, 1.0]),
    "AnyChannelViews": data("AnyChannelViews", crop_scale=[0.3, 1.0], blur_sigma=[0.3, 1.0]),
    "MultiCropViews": data("MultiCropViews", global_crop=CROP, changes=CHANGES),
    "ColorSpaceViews": data("ColorSpaceViews", channels=[[0], [1, 2]], crop_scale=[0.4, 1.0]),
    "RecipeViews": data("RecipeViews", recipes=[RECIPE, RECIPE], mean=[0.5] * 3, std=[0.2] * 3),
    "KNNGrid": {"_target_": f"{WATCH}KNNGrid", "k": [1], "temperature": [0.1]},
    "Export": {"_target_": f"{WATCH}Export", "architecture_args": SMALL},
    "LinearProbe": {"_target_": f"{WATCH}LinearProbe", "representation": {"augmented": True}},
}


def foreign_containers(value, path: str, seen: set[int]) -> list[str]:
    """Where an object holds containers of OmegaConf."""
    if id(value) in seen or isinstance(value, Tensor | type):
        return []
    seen.add(id(value))
    if isinstance(value, omegaconf.Container):
        return [path]
    items = {}
    if isinstance(value, dict):
        items = value
    elif isinstance(value, list | tuple):
        items = dict(enumerate(value))
    elif type(value).__module__.split(".")[0] in ("metaug", "timm", "torch"):
        items = getattr(value, "__dict__", {})
    parts = [foreign_containers(part, f"{path}.{name}", seen) for name, part in items.items()]
    return [found for part in parts for found in part]


@pytest.mark.parametrize("name", CASES)
def test_containers_become_plain(name):
    built = instantiate(omegaconf.OmegaConf.create(CASES[name]))
    if isinstance(built, pl.LightningDataModule):
        built.setup("fit")
        assert len(next(iter(built.train_dataloader())).views) == built.num_views
    assert foreign_containers(built, name, set()) == []


def test_a_checkpoint_holds_plain_data_and_an_export_is_written(tmp_path):
    config = {
        "_target_": f"{MODULES}MetAug",
        "encoder": {**PER_VIEW, "encoders": [{**ENCODER, "frozen_stages": 0}] * 2},
        "generator": GENERATOR,
        "meta": {"inner_lr": 0.02},
        "encoder_optimizer": {"lr": 0.1, "schedule": "step", "milestones": [1, 2]},
    }
    model = instantiate(omegaconf.OmegaConf.create(config))
    assert model.encoder_optimizer == OptimizerSettings(lr=0.1, schedule="step", milestones=[1, 2])
    data_config = {
        "_target_": f"{DATA}DigitsDataModule",
        "batch_size": 8,
        "labels_per_class": 1,
        "views": {"_target_": f"{DATA}DigitViews", "scale": [0.9, 1.1], "blur_sigma": [0.3, 1.0]},
    }
    export = {"_target_": f"{WATCH}Export", "backbone": "encoder.encoders.0.backbone"}
    callbacks = [{**export, "architecture_args": SMALL}]
    trainer = pl.Trainer(
        default_root_dir=tmp_path,
        max_steps=1,
        logger=False,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(instantiate(omegaconf.OmegaConf.create(callbacks))),
    )
    trainer.fit(model, datamodule=instantiate(omegaconf.OmegaConf.create(data_config)))
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    saved = torch.load(tmp_path / "model.ckpt", weights_only=True)
    assert foreign_containers(saved, "checkpoint", set()) == []
    loaded = MetAug.load_from_checkpoint(tmp_path / "model.ckpt")
    assert loaded.encoder.channels == [[0], [0]]
    assert loaded.meta == model.meta
    written = json.loads((tmp_path / "export" / "config.json").read_text())
    assert written["model_args"]["layers"] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"meta": {"inner_rate": 0.1}}, "meta has what MetaStep does not take: .*inner_rate"),
        (
            {
                "encoder_optimizer": {
                    "_target_": "torch.optim.Adam",
                    "_partial_": True,
                    "lr": 0.1,
                }
            },
            r"encoder_optimizer must be OptimizerSettings\(...\) or a mapping .*: a factory, which",
        ),
    ],
)
def test_settings_of_another_kind_are_refused(settings, message):
    config = {"_target_": f"{MODULES}MetAug", "encoder": ENCODER, **settings}
    with pytest.raises(Exception, match=message):
        instantiate(omegaconf.OmegaConf.create(config))
