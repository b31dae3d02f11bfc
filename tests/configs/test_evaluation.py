"""The shipped evaluations run on a checkpoint and on its export, and say the same of both."""

import csv
from pathlib import Path

import pytest
import timm
import torch
import yaml
from metaug.callbacks import Features, knn_predict
from metaug.datamodules import DigitsDataModule
from safetensors.torch import load_file
from torch import nn

from metaug.cli import main
from metaug.shipped_configs import shipped_configs

from . import tiny_data
from .test_shipped_configs import EVALUATIONS, SMALL, resulting_config

QUIET = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A checkpoint of two steps and its export."""
    folder = tmp_path_factory.mktemp("pretrained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["fit", "--config", "digits.yaml", "--config", "export.yaml", *SMALL]) == 0
    run = folder / "runs/digits/version_0"
    return {"checkpoint": run / "checkpoints/last.ckpt", "export": run / "export"}


def arguments(name: str, backbone: Path) -> list[str]:
    command = "validate" if "FrozenBackbone" in shipped_configs()[name].read_text() else "fit"
    few = ["--trainer.max_epochs=2", "--trainer.limit_train_batches=4"]
    epochs = few if command == "fit" else []
    given = f"--model.init_args.backbone={backbone}"
    return [command, "--config", name, given, *epochs, *QUIET]


def scores(name: str) -> dict[str, float]:
    (run,) = Path("runs", Path(name).stem).glob("version_*")
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {k: float(v) for row in rows for k, v in row.items() if v and k.startswith("val/")}


def test_all_are_listed():
    names = {Path(name).stem for name in EVALUATIONS}
    assert names == {"linear", "knn", "few_labels", "fine_tune", "semi_supervised"}


@pytest.mark.parametrize("name", EVALUATIONS)
def test_printed_config_round_trips(name, capsys):
    given = ["--model.init_args.backbone=any.ckpt"]
    printed = resulting_config(["--config", name, *given], capsys)
    assert printed["data"]["class_path"] == "metaug.datamodules.LabelledDataModule"
    assert resulting_config(["--config", "printed.yaml"], capsys) == printed


@pytest.mark.parametrize("name", EVALUATIONS)
@pytest.mark.filterwarnings("ignore:Starting from v1:UserWarning")
def test_runs_and_an_export_scores_as_its_checkpoint(name, pretrained, tmp_path, monkeypatch):
    found = {}
    for kind, backbone in pretrained.items():
        (tmp_path / kind).mkdir()
        monkeypatch.chdir(tmp_path / kind)
        assert main(arguments(name, backbone)) == 0
        found[kind] = scores(name)
    top1 = [value for key, value in found["checkpoint"].items() if "top1" in key]
    assert top1
    assert all(0 <= value <= 1 for value in top1)
    assert found["checkpoint"] == pytest.approx(found["export"])


def test_plain_timm_gives_the_same_knn(pretrained, tmp_path):
    """The chain's last link, without a class of MetAug around the network."""
    name = "evaluation/knn.yaml"
    assert main(arguments(name, pretrained["checkpoint"])) == 0
    card = (pretrained["export"] / "README.md").read_text()
    code = card.split("```python\n")[1].split("```")[0]
    code = code.replace(
        '"model.safetensors"', repr(str(pretrained["export"] / "model.safetensors"))
    )
    names = {"timm": timm, "nn": nn, "load_file": load_file}
    exec(code, names)
    model = names["model"].eval()
    data = DigitsDataModule()
    sides = []
    for loader in (data.bank_dataloader(), data.val_dataloader()):
        with torch.no_grad():
            parts = [(model(image), target, index) for image, target, index in loader]
        sides.append(Features(*(torch.cat(column) for column in zip(*parts, strict=True))))
    bank, queries = sides
    reported = scores(name)
    for k in (1, 5, 20, 200):
        predicted = knn_predict(queries.value, bank, 10, k=k, temperature=0.1)
        expected = float((predicted == queries.target).double().mean())
        assert reported[f"val/knn_top1_k{k}_T0.1"] == pytest.approx(expected, abs=1e-6)


def test_transfer_to_another_data_set(tmp_path, capsys):
    """Any data module by arguments alone; an image size or channels that do not fit are named."""
    folder = tiny_data.image_folder(tmp_path / "data", per_class=12)
    data = [
        "--data.init_args.data=ImageFolderDataModule",
        f"--data.init_args.data.init_args.root={folder}",
        "--data.init_args.data.init_args.image_size=16",
        "--data.init_args.num_workers=0",
    ]
    gray = ["--data.init_args.data.init_args.image_channels=1"]
    assert main(["fit", "--config", "digits.yaml", *SMALL]) == 0
    checkpoint = Path("runs/digits/version_0/checkpoints/last.ckpt")
    assert main([*arguments("evaluation/linear.yaml", checkpoint), *data, *gray]) == 0
    assert "val/linear_top1" in scores("linear")
    capsys.readouterr()
    assert main([*arguments("evaluation/linear.yaml", checkpoint), *data]) == 2
    message = capsys.readouterr().err
    assert "does not take the data's images [3, 16, 16]" in message
    assert "image_channels" in message


def test_a_mistake_ends_with_its_cure(pretrained, capsys):
    given = f"--model.init_args.backbone={pretrained['export']}"
    for wrong, expected in (
        (["--model.init_args.backbone=none.ckpt"], "no checkpoint or exported folder 'none.ckpt'"),
        (
            [given, "--data.init_args.label_fraction=10"],
            "label_fraction must be a finite number above 0 and at most 1",
        ),
        ([given, "--model.init_args.layer=layer9"], "no layer 'layer9'; use representation"),
        ([], "backbone"),
    ):
        assert main(["fit", "--config", "evaluation/linear.yaml", *wrong]) == 2
        message = capsys.readouterr().err
        assert expected in message
        assert "Traceback" not in message


def test_data_of_a_config_is_what_it_says():
    named = yaml.safe_load(shipped_configs()["evaluation/semi_supervised.yaml"].read_text())
    assert named["data"]["init_args"]["label_fraction"] == 0.1
