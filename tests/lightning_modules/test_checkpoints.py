"""A checkpoint alone builds the module again: from Python, from the command line, resumed."""

import subprocess
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
import yaml
from metaug.lightning_modules import (
    AugmentationGenerator,
    Encoder,
    MarginRegularization,
    MemoryBank,
    MetaStep,
    MetAug,
    MetAugObjective,
    OptimizerSettings,
)
from pytorch_lightning.cli import LightningCLI
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from .tiny import backbone, fit, loader, tiny_encoder, tiny_metaug, whole_and_resumed

BACKBONE = {"layers": [1, 1, 1, 1], "channels": [4, 4, 8, 8]}
# pytest's own arguments are in sys.argv
ARGUMENTS = pytest.mark.filterwarnings("ignore:LightningCLI's args parameter")
CONFIG = {
    "model": {
        "class_path": "metaug.lightning_modules.MetAug",
        "init_args": {
            "encoder": {
                "class_path": "metaug.lightning_modules.Encoder",
                "init_args": {
                    "small_images": True,
                    "image_channels": 1,
                    "projection_dim": 8,
                    "backbone_args": BACKBONE,
                },
            },
            "generator": {
                "class_path": "metaug.lightning_modules.AugmentationGenerator",
                "init_args": {"feature_dim": 8, "hidden_dim": 16},
            },
            "objective": {
                "class_path": "metaug.lightning_modules.MetAugObjective",
                "init_args": {
                    "contrast": {
                        "class_path": "metaug.lightning_modules.InfoNCE",
                        "init_args": {"temperature": 0.4},
                    },
                    "margin": {"class_path": "metaug.lightning_modules.MarginRegularization"},
                },
            },
            "meta": {"engine": "exact", "inner_lr": 0.02},
            "encoder_optimizer": {"name": "lars", "lr": 0.1, "milestones": [3]},
        },
    },
}


def built_in_python() -> MetAug:
    encoder = Encoder(small_images=True, image_channels=1, projection_dim=8, backbone_args=BACKBONE)
    return MetAug(
        encoder,
        MetAugObjective(margin=MarginRegularization("small"), composition="substituted"),
        AugmentationGenerator(8, 2, hidden_dim=16, shared=True),
        meta=MetaStep(engine="exact", inner_lr=0.02),
        encoder_optimizer=OptimizerSettings(lr=0.3, milestones=[1, 2]),
        memory_bank=MemoryBank(4, num_instances=16),
        clip_norm=1.0,
    )


def built_by_command_line(folder: Path) -> MetAug:
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    cli = LightningCLI(
        pl.LightningModule,
        subclass_mode_model=True,
        run=False,
        auto_configure_optimizers=False,
        save_config_callback=None,
        args=["--config", str(folder / "config.yaml"), "--trainer.logger=false"],
    )
    assert isinstance(cli.model, MetAug)
    return cli.model


def saved(model: pl.LightningModule, path: Path) -> Path:
    fit(model, loader(4)).save_checkpoint(path)
    return path


@pytest.mark.long
@ARGUMENTS
def test_a_fresh_process_needs_the_checkpoint_alone(tmp_path):
    image = torch.randn(4, 1, 32, 32)
    torch.save(image, tmp_path / "image.pt")
    models = {"python": built_in_python(), "cli": built_by_command_line(tmp_path)}
    paths = [str(saved(model, tmp_path / f"{name}.ckpt")) for name, model in models.items()]
    script = Path(__file__).with_name("load_checkpoints.py")
    command = [sys.executable, script, tmp_path / "image.pt", tmp_path / "out.pt", *paths]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = torch.load(tmp_path / "out.pt")
    for path, model in zip(paths, models.values(), strict=True):
        with torch.no_grad():
            assert torch.equal(found[path], model.eval()(image))


@ARGUMENTS
@pytest.mark.parametrize("source", ["python", "cli"])
def test_every_setting_comes_back(source, tmp_path):
    model = built_in_python() if source == "python" else built_by_command_line(tmp_path)
    path = saved(model, tmp_path / "model.ckpt")
    loaded = MetAug.load_from_checkpoint(path, weights_only=True)
    assert str(loaded) == str(model)
    for name in (
        "meta",
        "encoder_optimizer",
        "generator_optimizer",
        "accumulate",
        "micro_batch_size",
        "clip_norm",
    ):
        assert getattr(loaded, name) == getattr(model, name)
    for name in ("composition", "augmented_weight"):
        assert getattr(loaded.objective, name) == getattr(model.objective, name)
    state = loaded.state_dict()
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    assert loaded.meta.inner_lr == 0.02


@pytest.mark.parametrize("meta", [{"every": 7}, MetaStep(every=7)])
def test_settings_can_be_replaced_while_loading(tmp_path, meta):
    path = saved(tiny_metaug(encoder=built_in_python().encoder), tmp_path / "model.ckpt")
    loaded = MetAug.load_from_checkpoint(path, clip_norm=3.0, meta=meta)
    assert loaded.clip_norm == 3.0
    assert loaded.meta.every == 7


def test_lightnings_own_arguments_are_heeded_by_name(tmp_path):
    path = saved(tiny_metaug(encoder=built_in_python().encoder), tmp_path / "model.ckpt")
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"]["of_another_version"] = torch.zeros(1)
    torch.save(checkpoint, path)
    with pytest.raises(RuntimeError, match="of_another_version"):
        MetAug.load_from_checkpoint(path)
    places = []
    with pytest.warns(UserWarning, match="of_another_version"):
        MetAug.load_from_checkpoint(
            path, strict=False, map_location=lambda storage, place: places.append(place) or storage
        )
    assert "cpu" in places


@pytest.mark.parametrize("foreign", ["encoder", "backbone"])
def test_a_module_of_ones_own_must_be_given(foreign, tmp_path):
    class OwnEncoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(64, 8)

        def represent(self, image):
            return self.linear(image.flatten(1))

        def forward(self, views):
            features = torch.stack([self.represent(view) for view in views], dim=1)
            return torch.nn.functional.normalize(features, dim=-1)

    def make():
        if foreign == "encoder":
            return OwnEncoder()
        return Encoder(backbone(), image_channels=1, projection_dim=8)

    model = tiny_metaug(encoder=make())
    path = saved(model, tmp_path / "model.ckpt")
    with pytest.raises(Exception, match="encoder"):
        MetAug.load_from_checkpoint(path)
    loaded = MetAug.load_from_checkpoint(path, encoder=make(), weights_only=True)
    image = torch.randn(4, 1, 8, 8)
    assert torch.equal(loaded(image), model(image))
    assert loaded.clip_norm == model.clip_norm


def test_resumed_equals_never_stopped(tmp_path):
    def make():
        return tiny_metaug(
            memory_bank=MemoryBank(4, num_instances=16), encoder=dropping(), accumulate=2
        )

    def dropping():
        encoder = tiny_encoder(norm=True)
        encoder.projection.append(torch.nn.Dropout(0.2))
        return encoder

    whole, second, trainer = whole_and_resumed(make, tmp_path / "first.ckpt")
    assert trainer.global_step == 4
    for name, value in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], value), name


def test_hyper_parameters_in_the_loggers(tmp_path):
    loggers = [CSVLogger(tmp_path, "csv"), TensorBoardLogger(tmp_path, "board")]
    fit(built_in_python(), loader(4), logger=loggers)
    for logger in loggers:
        text = Path(logger.log_dir, "hparams.yaml").read_text()
        logged = yaml.safe_load(text)
        assert logged["meta"]["inner_lr"] == 0.02
        assert logged["encoder"]["init_args"]["projection_dim"] == 8
        assert "_instantiator" not in logged, text
