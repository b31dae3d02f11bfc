"""What people type by habit, on the shipped configs: refused in a few lines, or done right."""

from pathlib import Path

import pytest
import torch
import yaml

from metaug.cli import main
from tests.configs import tiny_data

DIGITS = ["fit", "--config", "digits.yaml", "--trainer.accelerator=cpu"]
QUICK = [
    "--trainer.max_epochs=1",
    "--trainer.limit_train_batches=2",
    "--trainer.log_every_n_steps=1",
    "--trainer.enable_progress_bar=false",
    "--data.batch_size=16",
    "--callbacks.TrainingCurves=null",
    "--callbacks.ViewsGrid=null",
    "--callbacks.FeatureMap=null",
    "--callbacks.LinearProbe=null",
    "--callbacks.Summary.baselines=false",
]
TINY = ["--model.encoder.backbone_args={layers: [1, 1, 1, 1], channels: [8, 8, 8, 8]}"]
FAST = [*DIGITS, *QUICK, *TINY]


def refused(arguments, capsys) -> str:
    """The message of a command that ends with exit code 2 and leaves no run folder."""
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "Traceback " not in error
    assert len(error.splitlines()) <= 13
    assert not Path("runs").exists()
    return error


def saved(name: str = "digits", version: int = 0) -> dict:
    return yaml.safe_load(Path(f"runs/{name}/version_{version}/config.yaml").read_text())


def checkpoint(name: str = "digits", version: int = 0) -> dict:
    path = f"runs/{name}/version_{version}/checkpoints/last.ckpt"
    return torch.load(path, weights_only=True)


def test_another_backbone_leaves_arguments_of_the_first_behind(capsys):
    encoder = ["--model.encoder.backbone=resnet10t"]
    assert main([*DIGITS, *QUICK, *encoder]) == 0
    printed = capsys.readouterr().out
    assert "backbone_args {'layers': [1, 1, 1, 1]" in printed
    assert "training MetAug: resnet10t, 5.19" in printed  # not 0.3 M
    assert "images 1 x 16 x 16, 2 views, batch 16" in printed
    assert "model.encoder.backbone=resnet10t" in printed
    assert saved()["model"]["init_args"]["encoder"]["init_args"]["backbone_args"] is None


def test_a_transformer_takes_the_size_and_channels_of_the_data(capsys):
    encoder = "--model.encoder.backbone=vit_tiny_patch16_224"
    arguments = ["--model.encoder.backbone_args={depth: 1, embed_dim: 24, patch_size: 8}"]
    small = ["--model.encoder.small_images=false"]
    assert main([*DIGITS, *QUICK, encoder, *arguments, *small]) == 0
    arguments = saved()["model"]["init_args"]["encoder"]["init_args"]
    assert (arguments["image_channels"], arguments["image_size"]) == (1, 16)


def test_size_of_a_folder_is_said_once(tmp_path, capsys):
    root = tiny_data.image_folder(tmp_path / "data", per_class=20)
    encoder = [
        "--model.encoder.backbone=vit_tiny_patch16_224",
        "--model.encoder.backbone_args={depth: 1, embed_dim: 24}",
    ]
    data = [f"--data.root={root}", "--data.image_size=64", "--data.image_channels=1"]
    fit = ["fit", "--config", "image_folder.yaml", "--trainer.accelerator=cpu"]
    assert main([*fit, *QUICK, *encoder, *data, "--callbacks.KNNProbe.k=5"]) == 0
    assert "images 1 x 64 x 64" in capsys.readouterr().out


def test_channels_that_contradict_the_data(capsys):
    error = refused([*FAST, "--model.encoder.image_channels=3"], capsys)
    assert "does not take the data's images of 1 channel(s) and 16 x 16 pixels" in error
    assert "image_channels=1" in error


REFUSED = {
    "momentum must be at least 0 and less than 1, got 5": ["--model.encoder_optimizer.momentum=5"],
    "warmup_epochs must be at least 0, got nan": ["--model.encoder_optimizer.warmup_epochs=.nan"],
    "decay must be greater than 0": ["--model.encoder_optimizer.decay=-2"],
    "augmented_weight must be at least 0, got -5": ["--model.objective.augmented_weight=-5"],
    "margin must be at least 0": ["--model.objective.contrast.margin=-3"],
    "gamma must be greater than 0 and finite, got inf": ["--model.objective.contrast.gamma=.inf"],
    "hidden_dim must be at least 1, got 0": ["--model.generator.hidden_dim=0"],
    "use its clip_norm": ["--trainer.gradient_clip_val=1.0"],
    "use MetAug's accumulate": ["--trainer.accumulate_grad_batches=4"],
    "precision 16-mixed needs loss scaling": ["--trainer.precision=16-mixed"],
    "backbone_args may not hold 'features_only'": [
        "--model.encoder.backbone_args={features_only: true}"
    ],
    "backbone 'vit_tiny_patch16_224' does not take backbone_args": [
        "--model.encoder.backbone=vit_tiny_patch16_224",
        "--model.encoder.backbone_args={layers: [1]}",
    ],
    "warmup_epochs=3 is longer than training": ["--model.encoder_optimizer.warmup_epochs=3"],
    "no callback 'KNN'; did you mean --callbacks.KNNProbe": ["--callbacks.KNN.k=3"],
    "did you mean --callbacks.KNNProbe.k?": ["--callbacks.KNNProbe.kk=3"],
    "val_check_interval must be greater than 0": ["--trainer.val_check_interval=0"],
    "EarlyStopping monitors val/knn_top1 in every validation, and KNNProbe": [
        "--trainer.callbacks+=EarlyStopping",
        "--trainer.callbacks.monitor=val/knn_top1",
        "--callbacks.KNNProbe.every_n_epochs=5",
    ],
    "did you mean --data.batch_size?": ["--batch_size=3"],
    "did you mean --trainer.max_epochs?": ["--epochs=3"],
    "did you mean --model.encoder_optimizer.lr": ["--lr=3"],
    "the environment has no variable NO_SUCH_PLACE": ["--trainer.default_root_dir=$NO_SUCH_PLACE"],
}


@pytest.mark.parametrize("message", REFUSED)
def test_refused(message, capsys):
    assert message in refused([*FAST, *REFUSED[message]], capsys)


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_evaluation_wants_a_checkpoint(command, capsys):
    error = refused([command, *FAST[1:]], capsys)
    assert f"metaug {command} would take an untrained MetAug" in error


def test_predictions_want_a_taker(capsys):
    assert main(FAST) == 0
    assert main(["predict", *FAST[1:], "--ckpt_path=last"]) == 2
    assert "add --config features.yaml" in capsys.readouterr().err


def test_one_argument_moves_a_whole_run(tmp_path, monkeypatch):
    monkeypatch.setenv("PLACE", str(tmp_path / "place"))
    assert main([*FAST, "--trainer.default_root_dir=$PLACE"]) == 0
    assert not Path("runs").exists()
    run = tmp_path / "place/runs/digits/version_0"
    assert {"config.yaml", "metrics.csv", "checkpoints"} <= {path.name for path in run.iterdir()}
    assert len(list(run.parent.iterdir())) == 1
    again = ["fit", "--config", str(run / "config.yaml"), "--trainer.max_steps=1"]
    assert main(again) == 0
    assert (tmp_path / "place/runs/digits/version_1/metrics.csv").is_file()


def test_a_folder_of_loggers_moves_both(tmp_path):
    assert main([*FAST, f"--trainer.logger.init_args.save_dir={tmp_path}/out"]) == 0
    assert not Path("runs").exists()
    files = {path.name.partition(".")[0] for path in (tmp_path / "out/digits/version_0").iterdir()}
    assert {"metrics", "events"} <= files


def test_last_is_of_this_config(capsys):
    assert main(FAST) == 0
    other = [*FAST, "--model.generator=null"]
    assert main([*other, "--ckpt_path=last"]) == 2
    error = capsys.readouterr().err
    assert "no run of this config to take up: " in error
    assert "model.generator.class_path is metaug.lightning_modules.AugmentationGenerator" in error
    assert main(other) == 0
    assert main([*FAST, "--ckpt_path=last", "--trainer.max_epochs=2"]) == 0
    printed = capsys.readouterr()
    assert "digits/version_0/checkpoints/last.ckpt; newer ones are of another config" in printed.err


def test_callbacks_change_and_go(capsys):
    arguments = ["--callbacks.KNNProbe.k", "3", "--callbacks.LearningRateMonitor", "null"]
    with pytest.raises(SystemExit):
        main([*FAST, *arguments, "--print_config"])
    printed = yaml.safe_load(capsys.readouterr().out)
    names = {
        callback["class_path"].rpartition(".")[2]: callback.get("init_args")
        for callback in printed["trainer"]["callbacks"]
    }
    assert names["KNNProbe"]["k"] == 3
    assert "LearningRateMonitor" not in names
    assert main([*FAST, *arguments]) == 0
    assert saved()["trainer"]["callbacks"] == printed["trainer"]["callbacks"]


@pytest.mark.parametrize("flag", ["logger", "enable_checkpointing"])
def test_flags_take_callbacks_away(flag, capsys):
    assert main([*FAST, f"--trainer.{flag}=false"]) == 0
    assert "as asked for, there is no " in capsys.readouterr().out
    assert not list(Path("runs").rglob("*.ckpt"))


def test_none_of_a_sweep():
    assert main([*FAST, "--trainer.precision=None"]) == 0


def seeds(config: dict) -> tuple:
    return config["seed_everything"], config["data"]["init_args"]["seed"]


def test_one_seed_moves_all():
    assert main([*FAST, "--seed_everything=5"]) == 0
    assert seeds(saved()) == (5, 5)
    assert main([*FAST, "--seed_everything=5", "--data.seed=2"]) == 0
    assert seeds(saved(version=1)) == (5, 2)
    assert (
        main(["fit", "--config", "runs/digits/version_0/config.yaml", "--seed_everything=6"]) == 0
    )
    assert seeds(saved(version=2)) == (6, 6)


def test_fast_dev_run_has_no_end_to_warm_up_for():
    assert main([*FAST, "--trainer.fast_dev_run=true"]) == 0


def test_a_resume_of_another_network(capsys):
    assert main(FAST) == 0
    path = "--ckpt_path=runs/digits/version_0/checkpoints/last.ckpt"
    size = ["--model.encoder.projection_dim=32", "--model.generator.feature_dim=32"]
    for arguments, message in (
        (["--model.generator=null"], "it has generator.networks.0.0.weight and 7 more that"),
        (size, "is [64, 8] there and [32, 8] here"),
        (["--model.encoder_optimizer.name=adamw"], "encoder_optimizer.name is sgd"),
        (["--model.encoder_optimizer.lr=0.3"], "encoder_optimizer.lr is 0.1, that of this model 0"),
        (["--model.encoder_optimizer.layer_decay=0.8"], "encoder_optimizer.layer_decay is 1.0"),
        (["--model.encoder.frozen_stages=2"], "encoder.frozen_stages is 0, that of this model 2"),
    ):
        assert main([*FAST, *arguments, path]) == 2
        error = capsys.readouterr().err
        assert "is of another model" in error
        assert message in error
