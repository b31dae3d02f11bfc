"""`use_lightning()` in a fresh process, for it must come before `pytorch_lightning`."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# not importorskip: lightning must not be imported beside pytorch_lightning in this process
pytestmark = pytest.mark.skipif(find_spec("lightning") is None, reason="pip install '.[plugins]'")

EXAMPLE = Path(__file__).parents[2] / "examples" / "lightning_trainer.py"
FIT = f"""
import runpy
runpy.run_path({str(EXAMPLE)!r}, run_name="__main__")
import metaug
metaug.use_lightning()  # once more does no harm
import lightning.pytorch as L
from metaug.callbacks import KNNProbe
from metaug.lightning_modules import MetAug

import pytorch_lightning.callbacks.model_checkpoint as aliased
import lightning.pytorch.callbacks.model_checkpoint as meant
assert aliased is meant and meant.__name__ == meant.__spec__.name
assert issubclass(MetAug, L.LightningModule) and issubclass(KNNProbe, L.Callback)
"""
TOO_LATE = """
import pytorch_lightning, metaug
try:
    metaug.use_lightning()
except RuntimeError as error:
    assert "call metaug.use_lightning() first" in str(error)
else:
    raise SystemExit("no error")
"""
FIRST = """
import lightning.pytorch as L
from metaug.lightning_modules import Encoder, MetAug
assert issubclass(MetAug, L.LightningModule)
"""
BETWEEN = """
import metaug
import lightning.pytorch as L
from metaug.lightning_modules import Encoder, MetAug
assert issubclass(MetAug, L.LightningModule)
"""
REFUSED = """
from metaug.datamodules import DigitsDataModule
from metaug.lightning_modules import Encoder, MetAug
assert not issubclass(MetAug, L.LightningModule)

class Own(L.LightningModule):
    def training_step(self, batch, batch_idx): ...
    def configure_optimizers(self): ...

encoder = Encoder(
    small_images=True, image_channels=1,
    backbone_args={"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 8]},
)
trainer = L.Trainer(logger=False, accelerator="cpu", enable_checkpointing=False)
for model, data in ((MetAug(encoder), None), (Own(), DigitsDataModule())):
    try:
        trainer.fit(model, datamodule=data)
    except TypeError as error:
        assert f"{type(data or model).__name__} is of pytorch_lightning" in str(error), error
        assert "Call metaug.use_lightning() first thing" in str(error), error
    else:
        raise SystemExit("no error")
try:
    trainer.fit(encoder)
except TypeError as error:
    assert "`model` must be a `LightningModule`" in str(error), error
"""
LATER = "from metaug.lightning_modules import MetAug\nimport lightning as L" + REFUSED
BOTH_BEFORE = "import pytorch_lightning\nimport lightning.pytorch as L" + REFUSED
COMMAND = """
import os, sys
os.environ["METAUG_LIGHTNING"] = "1"
from metaug.cli import main
try:
    main(["fit", "--config", "digits.yaml", "--print_config"])
except SystemExit as stop:
    assert stop.code == 0
import lightning.pytorch, metaug.trainer_cli
assert issubclass(metaug.trainer_cli.MetAugCLI, lightning.pytorch.cli.LightningCLI)
"""


SCRIPTS = {
    "fit": FIT,
    "too late": TOO_LATE,
    "command": COMMAND,
    "lightning first": FIRST,
    "lightning between": BETWEEN,
    "lightning later": LATER,
    "both before": BOTH_BEFORE,
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_in_a_fresh_process(script, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    if script is FIT:
        assert "steps: 2 knn: 0." in done.stdout
        written = {path.name for path in tmp_path.rglob("*.*")}
        assert written >= {"report.html", "features.npz", "last.ckpt", "model.safetensors"}
