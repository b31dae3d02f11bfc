"""What would be uploaded to the Hub, and what is said where it cannot be."""

import pytest
import timm
import yaml
from metaug.callbacks import export_backbone, push_to_hub


@pytest.fixture
def export(tmp_path):
    backbone = timm.create_model("test_resnet", num_classes=0)
    folder = tmp_path / "export"
    export_backbone(
        backbone,
        folder,
        license="mit",
        training={"data": "CIFAR10DataModule"},
        scores={"val/knn_top1 (epoch 3)": ("81.00 %", "k=200")},
        config="seed_everything: 7\n",
    )
    (folder / "notes.txt").write_text("mine")
    return folder


def test_a_dry_run_lays_the_files_of_the_export(export, tmp_path):
    assert push_to_hub(export, "me/photos", dry_run=tmp_path / "hub") == str(tmp_path / "hub")
    laid = {path.name: path.read_bytes() for path in (tmp_path / "hub").iterdir()}
    assert set(laid) == {"README.md", "config.json", "config.yaml", "model.safetensors"}
    assert all((export / name).read_bytes() == data for name, data in laid.items())
    header = yaml.safe_load(laid["README.md"].decode().split("---\n")[1])
    assert header == {
        "library_name": "timm",
        "license": "mit",
        "tags": ["image-feature-extraction", "self-supervised", "metaug"],
        "datasets": ["uoft-cs/cifar10"],
        "metrics": ["accuracy"],
    }
    assert "| seed | 7 |" in laid["README.md"].decode()
    with pytest.raises(ValueError, match="is not empty"):
        push_to_hub(export, "me/photos", dry_run=tmp_path / "hub")


def test_no_token_and_no_network_are_said(export, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(OSError, match=r"no token .* `hf auth login`, or set HF_TOKEN"):
        push_to_hub(export, "me/photos")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_nothing")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match=r"upload to me/photos failed .* hf upload me/photos"):
        push_to_hub(export, "me/photos")


@pytest.mark.parametrize("name", ["photos", "me/../photos", "a/b/c"])
def test_names_that_are_none_of_a_repository_are_refused(export, name):
    with pytest.raises(ValueError, match="USER/NAME"):
        push_to_hub(export, name)


def test_a_folder_of_other_files_is_left_alone(tmp_path, export):
    backbone = timm.create_model("test_resnet", num_classes=0)
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(ValueError, match=r"holds README.md, and is no earlier export"):
        export_backbone(backbone, tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
    export_backbone(backbone, export)  # an earlier one is written anew, without its config.yaml
    assert not (export / "config.yaml").exists()
    assert (export / "notes.txt").read_text() == "mine"
