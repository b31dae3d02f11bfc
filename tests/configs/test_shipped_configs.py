"""Every shipped config parses, prints a config that parses, and trains a step."""

import csv
import logging
from pathlib import Path

import pytest
import timm
import torch
import yaml
from torchvision.datasets import CIFAR100

from metaug.cli import main
from metaug.shipped_configs import shipped_configs

from . import tiny_data

OVERLAYS = [name for name in shipped_configs() if name.startswith("overlays/")]
SWEEPS = [name for name in shipped_configs() if name.startswith("sweeps/")]
EVALUATIONS = [name for name in shipped_configs() if name.startswith("evaluation/")]
WHOLE = [name for name in shipped_configs() if name not in (*OVERLAYS, *SWEEPS, *EVALUATIONS)]
ENCODER = "--model.init_args.encoder.init_args"
SMALL = [
    "--data.init_args.batch_size=8",
    "--data.init_args.num_workers=0",
    f"{ENCODER}.backbone=resnet18",
    f"{ENCODER}.backbone_args={{layers: [1, 1, 1, 1], channels: [8, 8, 8, 8]}}",
    "--trainer.accelerator=cpu",
    "--trainer.max_epochs=1",
    "--trainer.limit_train_batches=2",
    "--trainer.limit_val_batches=4",
    "--trainer.log_every_n_steps=1",
    "--trainer.enable_progress_bar=false",
]  # fmt: skip
SMALL_VIT = [
    *SMALL,
    f"{ENCODER}.backbone=vit_tiny_patch16_224",
    f"{ENCODER}.backbone_args={{depth: 1, embed_dim: 32, num_heads: 2}}",
]


def resulting_config(arguments: list[str], capsys) -> dict:
    with pytest.raises(SystemExit) as stop:
        main(["fit", *arguments, "--print_config"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    Path("printed.yaml").write_text(text)
    return yaml.safe_load(text)


def tiny_weights(file: Path) -> Path:
    """Those of the network that `SMALL` names."""
    network = timm.create_model("resnet18", layers=[1, 1, 1, 1], channels=[8, 8, 8, 8])
    torch.save(network.state_dict(), file)
    return file


@pytest.fixture
def data_arguments(tmp_path, monkeypatch):
    """What a config needs to find tiny data of its kind."""

    def arguments(name: str) -> list[str]:
        kind = yaml.safe_load(shipped_configs()[name].read_text())["data"]["class_path"]
        kind = kind.rpartition(".")[2]
        if kind == "DigitsDataModule":
            return []
        make = {
            "ImageFolderDataModule": tiny_data.image_folder,
            "CIFAR10DataModule": lambda root: tiny_data.cifar(root, monkeypatch),
            "CIFAR100DataModule": lambda root: tiny_data.cifar(
                root, monkeypatch, data_set=CIFAR100
            ),
            "STL10DataModule": lambda root: tiny_data.stl10(root, monkeypatch),
            "TinyImageNetDataModule": tiny_data.tiny_imagenet,
            "ImageNetDataModule": tiny_data.imagenet,
            "ImageNet100DataModule": tiny_data.imagenet,
        }[kind]
        root = f"--data.init_args.root={make(tmp_path / 'data')}"
        if name != "continue_pretraining.yaml":
            return [root]
        weights = tiny_weights(tmp_path / "weights.pth")
        # torch 2.14 ends in its backward pass of 8 channels-last channels at 224 pixels
        size = "--data.init_args.image_size=32"
        return [root, size, f"{ENCODER}.pretrained={weights}"]

    return arguments


@pytest.mark.parametrize("name", WHOLE)
def test_printed_config_round_trips(name, data_arguments, capsys):
    printed = resulting_config(["--config", name, *data_arguments(name)], capsys)
    assert printed["model"]["class_path"].endswith("MetAug")
    assert resulting_config(["--config", "printed.yaml"], capsys) == printed


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlay_changes_what_it_names_and_nothing_else(overlay, capsys):
    below = ["--config", "digits.yaml"]
    if overlay == "overlays/paper_form.yaml":  # digits are in that form
        below += ["--config", "adversarial.yaml"]
    base = resulting_config(below, capsys)
    changed = resulting_config([*below, "--config", overlay], capsys)
    named = set(yaml.safe_load(shipped_configs()[overlay].read_text()))
    assert {key for key in base if base[key] != changed[key]} == named
    assert resulting_config(["--config", "printed.yaml"], capsys) == changed


def test_paper_form_takes_the_adversary_back(capsys):
    words = ["--config", "digits.yaml"]
    base = resulting_config(words, capsys)
    words += ["--config", "adversarial.yaml"]
    opposed = resulting_config(words, capsys)["model"]["init_args"]
    assert opposed["generator"]["init_args"]["centered"]
    assert opposed["objective"]["init_args"]["adversarial"]
    assert resulting_config([*words, "--config", "paper_form.yaml"], capsys) == base


@pytest.mark.filterwarnings("ignore:.*larger than the bank")
@pytest.mark.parametrize("name", [name for name in WHOLE if not name.startswith("paper/")])
def test_trains_a_step(name, data_arguments):
    small = SMALL_VIT if name == "imagenet_vit.yaml" else SMALL
    if name.startswith("imagenet"):
        small = [*small, "--data.init_args.image_size=64"]  # 224 take a CPU half a minute
    assert main(["fit", "--config", name, *data_arguments(name), *small]) == 0
    (run,) = Path("runs").glob("*/version_0")
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(next(row["train/loss"] for row in rows if row["train/loss"])) > 0
    assert (run / "checkpoints" / "last.ckpt").is_file()


def test_goes_on_from_weights_and_resumes_without_them(data_arguments, tmp_path, capsys, caplog):
    """On the command line as a user has it: rows of the table, a second run, an evaluation."""
    caplog.set_level(logging.INFO, logger="pytorch_lightning.utilities.rank_zero")
    root, size, _ = data_arguments("continue_pretraining.yaml")
    weights = str(tmp_path / "weights.pth")
    words = ["--config", "continue_pretraining.yaml", root, size, *SMALL]
    words += ["--model.encoder.pretrained", weights, "--trainer.limit_val_batches=1.0"]
    assert main(["fit", *words]) == 0
    printed = capsys.readouterr()
    table = printed.out[printed.out.index("Probe scores") :]
    assert table.index("encoder at the start") < table.index("trained encoder")
    assert "untrained" not in printed.out
    line = f"pretrained: 78 tensors of resnet18 from {weights}; left out: fc"
    assert caplog.messages.count(line) == 1
    Path(weights).unlink()
    assert main(["fit", *words, "--ckpt_path=last", "--trainer.max_epochs=2"]) == 0
    assert main(["validate", *words, "--ckpt_path=last"]) == 0
    assert caplog.messages.count(line) == 1
    assert main(["fit", *words]) != 0
    assert f"there is no file '{weights}' of weights to start from" in capsys.readouterr().err


def test_weights_to_go_on_from_must_be_given(data_arguments, capsys):
    root, *_ = data_arguments("continue_pretraining.yaml")
    assert main(["fit", "--config", "continue_pretraining.yaml", root, *SMALL]) != 0
    assert "there is no file 'FILE' of weights to start from" in capsys.readouterr().err


ABLATIONS = ["oucl_only", "simclr", "attraction"]
AUGMENTATIONS = ["ifm", "mochi", "feature_transformation", "noise"]


@pytest.mark.parametrize("overlay", AUGMENTATIONS)
def test_an_augmentation_leaves_nothing_of_the_config_below_it(overlay, capsys):
    """Its objective is the same above the paper's form, the adversary and the constant."""
    models = []
    for below in ([], ["--config", "adversarial.yaml"], ["--config", "attraction.yaml"]):
        words = ["--config", "digits.yaml", *below, "--config", overlay]
        models.append(resulting_config(words, capsys)["model"]["init_args"])
    assert models[0]["generator"] == models[1]["generator"] == models[2]["generator"]
    if models[0]["generator"] is None:  # then these two are of nothing
        for model in models:
            for name in ("augmented_weight", "adversarial", "detach"):
                del model["objective"]["init_args"][name]
    assert models[0]["objective"] == models[1]["objective"] == models[2]["objective"]


@pytest.mark.parametrize(
    "overlay", ["oucl_only", "simclr", *AUGMENTATIONS, "adversarial", "paper_form"]
)
def test_attraction_is_whole_in_every_overlay_but_its_own(overlay, capsys):
    """Over a config that weighs it by 0.6."""
    model = resulting_config(["--config", "cifar10", "--config", overlay], capsys)["model"]
    contrast = model["init_args"]["objective"]["init_args"]["contrast"]
    contrast = contrast["init_args"].get("contrast", contrast)  # IFM has one in it
    assert contrast["init_args"]["attraction_weight"] == 1.0


@pytest.mark.parametrize("name", ["cifar10", "image_folder", "imagenet_vit"])
def test_the_adversary_is_one_overlay_away(name, capsys):
    """The constant goes, MetAug's generator and meta step come; `attraction` takes it back."""
    root = [] if name == "cifar10" else ["--data.root=data"]
    model = resulting_config(["--config", name, *root], capsys)["model"]["init_args"]
    words = ["--config", name, "--config", "adversarial", *root]
    opposed = resulting_config(words, capsys)["model"]["init_args"]
    assert model["generator"] is None
    assert opposed["generator"]["init_args"]["radius"] == 1.0
    assert opposed["generator"]["init_args"]["hidden_dim"] == 256
    weights = [
        each["objective"]["init_args"]["contrast"]["init_args"]["attraction_weight"]
        for each in (model, opposed)
    ]
    assert weights == [0.6, 1.0]
    assert opposed["objective"]["init_args"]["margin"]["init_args"]["kind"] == "large"
    assert opposed["objective"]["init_args"]["adversarial"]
    words += ["--config", "attraction"]
    back = resulting_config(words, capsys)["model"]["init_args"]
    assert back["generator"] is None
    assert back["objective"]["init_args"]["contrast"] == model["objective"]["init_args"]["contrast"]


@pytest.mark.parametrize("overlay", [*ABLATIONS, *AUGMENTATIONS])
def test_digits_with_ablation_trains_a_step(overlay):
    assert main(["fit", "--config", "digits.yaml", "--config", overlay, *SMALL]) == 0
    assert Path("runs/digits/version_0/checkpoints/last.ckpt").is_file()


@pytest.mark.filterwarnings("ignore:The representation collapses")  # after two steps it may
def test_overlays_compose_and_do_what_they_say(capsys):
    base = ["--config", "digits.yaml", "--config", "monitors", "--config", "export"]
    names = [
        callback["class_path"].rpartition(".")[2]
        for callback in resulting_config(base, capsys)["trainer"]["callbacks"]
    ]
    assert names[0] == "KNNProbe"
    monitors = ["CollapseMonitor", "RepresentationInfoNCE", "GeneratorMonitor", "AttractionMonitor"]
    assert sorted(names[-6:-2]) == sorted(monitors)
    assert names[-2:] == ["Export", "Report"]
    assert main(["fit", *base, *SMALL]) == 0
    run = Path("runs/digits/version_0")
    assert (run / "export" / "model.safetensors").is_file()
    assert (run / "report.html").is_file()

    evaluate = [*base, "--ckpt_path=last", *SMALL]
    assert main(["test", *evaluate]) == 0
    assert "test/knn_top1" in capsys.readouterr().out
    assert main(["predict", *evaluate, "--config", "features.yaml"]) == 0
    assert list(Path("runs").rglob("features.npz"))

    # a test of what was trained asks for none of the overlays again (warnings are errors here)
    assert main(["test", "--config", "digits.yaml", *SMALL, "--ckpt_path=last"]) == 0
