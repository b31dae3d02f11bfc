"""Warnings as a user of the command line sees them: in a process of its own."""

import os
import subprocess
import sys
import warnings

from metaug.warning_lines import warning_lines
from tests.configs import tiny_data

QUIET = [
    "--trainer.max_epochs=1",
    "--trainer.accelerator=cpu",
    "--trainer.log_every_n_steps=1",
    "--trainer.enable_progress_bar=false",
    "--data.init_args.batch_size=4",
    "--data.init_args.num_workers=0",
]


def test_unlabelled_images_get_one_warning_of_one_line(tmp_path):
    folder = tiny_data.image_folder(tmp_path / "data")
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted(folder.rglob("*.png"))[:8]):
        path.rename(flat / f"{number}.png")
    command = [sys.executable, "-m", "metaug", "fit", "--config", "image_folder.yaml", *QUIET]
    done = subprocess.run(
        [*command, f"--data.init_args.root={flat}"],
        timeout=200,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "UserWarning" not in done.stderr
    (warned,) = [line for line in done.stderr.splitlines() if "arning" in line]
    assert warned == (
        "metaug: warning: val/knn_top1, val/linear_top1, FeatureMap will not run: the data has no "
        "validation images (and no labels, which probes need). Give it a validation split, or pass "
        "queries=."
    )
    assert "before training" not in done.stdout


def test_the_form_of_warnings_is_put_back(monkeypatch):
    before = warnings.formatwarning
    with warning_lines():
        line = warnings.formatwarning("so", UserWarning, "file.py", 1)
        assert line == "metaug: warning: so\n"
    assert warnings.formatwarning is before
    monkeypatch.setenv("METAUG_TRACEBACK", "1")
    with warning_lines():
        assert warnings.formatwarning is before
