"""Every example runs as shipped, from outside the repository."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

EXAMPLES = Path(__file__).parents[2] / "examples"
OUTPUT = {
    "plain_trainer": r"steps: 8 representation: \(4, 64\)",
    "lightly_data": "steps: 4",
    "solo_learn_batches": "steps: 4",
    "hydra_pipeline": r"engine: exact knn: 0\.\d+",
    "own_cli": r"knn: 0\.\d+",
    "callbacks_alone": r"val/linear_top1 0\.[89]\d+",
    "lightly_benchmark": r"val/linear_top1 [01]\.\d+\nval_online_cls_top1 [01]\.\d+",
}
ARGUMENTS = {"hydra_pipeline": ["model.meta.engine=exact", "trainer.limit_train_batches=1"]}
NEEDS = {
    "lightly_data": "lightly",
    "lightly_benchmark": "lightly",
    "hydra_pipeline": "hydra",
}
# in a process of their own: below, tests/metaug/test_lightning_alias.py and tests/plugins
ELSEWHERE = {
    "notebook",
    "load_checkpoint",
    "lightning_trainer",
    "stable_pretraining_module",
    "hydra_template/src/train",
}
# an example is other people's code: their warnings are not ours
pytestmark = pytest.mark.filterwarnings("default")


def test_every_example_is_tested():
    files = EXAMPLES.rglob("*.py")
    names = {str(path.relative_to(EXAMPLES).with_suffix("")) for path in files}
    assert names == {*OUTPUT, *ELSEWHERE}


@pytest.mark.parametrize("name", OUTPUT)
def test_example(name, monkeypatch, capsys):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason="pip install '.[plugins]'")
    file = str(EXAMPLES / f"{name}.py")
    monkeypatch.setattr(sys, "argv", [file, *ARGUMENTS.get(name, [])])
    runpy.run_path(file, run_name="__main__")
    assert re.search(OUTPUT[name], capsys.readouterr().out)


def test_checkpoint_loads_in_a_fresh_process_with_nothing_else(tmp_path):
    from metaug.datamodules import DigitsDataModule
    from metaug.lightning_modules import AugmentationGenerator, Encoder, MetAug

    small = {"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 8]}
    encoder = Encoder("resnet18", small_images=True, image_channels=1, backbone_args=small)
    model = MetAug(encoder, generator=AugmentationGenerator(num_views=2))
    trainer = pl.Trainer(max_steps=1, logger=False, enable_progress_bar=False, accelerator="cpu")
    trainer.fit(model, datamodule=DigitsDataModule(batch_size=8, labels_per_class=1))
    trainer.save_checkpoint(tmp_path / "model.ckpt")

    images = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = float(model.eval()(images).sum())
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "load_checkpoint.py"), str(tmp_path / "model.ckpt")],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "representation: (2, 8)" in done.stdout
    assert float(done.stdout.rpartition("sum: ")[2]) == pytest.approx(expected, rel=1e-5)
