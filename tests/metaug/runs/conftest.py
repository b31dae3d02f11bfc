"""Real runs, as small as they can be: two settings, two seeds, two epochs of two batches."""

import os
from pathlib import Path

import pytest
import yaml

from metaug.cli import main

SMALL = [
    *("--config=digits.yaml", "--trainer.max_epochs=2", "--trainer.limit_train_batches=2"),
    *("--data.batch_size=16", "--trainer.log_every_n_steps=1", "--trainer.accelerator=cpu"),
    *("--trainer.enable_progress_bar=false", "--callbacks.Summary=null"),
    *(
        "--callbacks.TrainingCurves=null",
        "--callbacks.ViewsGrid=null",
        "--callbacks.FeatureMap=null",
    ),
]


def fit(*options: str) -> None:
    assert main(["fit", *SMALL, *options]) == 0


def with_callback(class_name: str, **arguments: str) -> str:
    """A config that appends a callback, as an option."""
    entry = {"class_path": f"tests.metaug.runs.callbacks.{class_name}", "init_args": arguments}
    file = Path(f"{class_name}.yaml")
    file.write_text(yaml.safe_dump({"trainer": {"callbacks+": [entry]}}))
    return f"--config={file}"


@pytest.fixture(scope="session")
def finished_runs(tmp_path_factory):
    """`digits/version_0` to `3`: MetAug with seeds 0 and 1, SimCLR with seeds 0 and 1."""
    folder = tmp_path_factory.mktemp("finished")
    before = Path.cwd()
    os.chdir(folder)
    try:
        for overlay in ([], ["--config=simclr.yaml"]):
            for seed in (0, 1):
                fit(*overlay, f"--seed_everything={seed}")
    finally:
        os.chdir(before)
    return folder / "runs" / "digits"
