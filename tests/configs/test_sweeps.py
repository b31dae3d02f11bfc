"""What wandb's sweep engine proposes becomes argv, and every process trains with it."""

import json
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from metaug.cli import main
from metaug.shipped_configs import shipped_configs

from . import tiny_data
from .test_shipped_configs import SMALL

sweeps = pytest.importorskip("sweeps", reason="wandb's sweep engine: pip install '.[plugins]'")
wandb = pytest.importorskip("wandb")
sweep_utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils")

SWEEPS = {
    name: yaml.safe_load(path.read_text())
    for name, path in shipped_configs().items()
    if name.startswith("sweeps/")
}
REPOSITORY = Path(__file__).parents[2]


def proposals(sweep: dict, n: int) -> list[dict]:
    """The first proposals of wandb's own engine, which refuses a sweep that is not valid."""
    runs: list = []
    for number in range(n):
        run = sweeps.next_run(deepcopy(sweep), runs, validate=True)
        run.state = sweeps.RunState.finished
        run.summary_metrics = {sweep["metric"]["name"]: 0.1 * number}
        runs.append(run)
    return [run.config for run in runs]


def argv(sweep: dict, proposal: dict) -> list[str]:
    """The command of wandb's agent, after `python -m metaug`."""
    command = sweep_utils.create_sweep_command(list(sweep["command"]))
    args = sweep_utils.create_sweep_command_args({"args": proposal})["args"]
    assert command[:4] == ["${env}", "${interpreter}", "-m", "metaug"]
    assert command[-1] == "${args}"
    return [*command[4:-1], *args]


def extra(name: str, tmp_path: Path, monkeypatch) -> list[str]:
    arguments = [*SMALL, "--trainer.callbacks=tests.configs.report.Report"]
    arguments += [f"--trainer.callbacks.folder={tmp_path / 'report'}"]
    if name.startswith("sweeps/cifar10"):
        arguments += [f"--data.init_args.root={tiny_data.cifar(tmp_path / 'data', monkeypatch)}"]
    return arguments


def check_report(file: Path, proposal: dict) -> None:
    report = json.loads(file.read_text())
    for name, proposed in proposal.items():
        if name == "seed_everything":
            assert report["seed"] == str(proposed["value"])
            continue
        value = report
        for key in name.split("."):
            value = value if key == "init_args" and key not in value else value[key]
        assert value == proposed["value"], name


@pytest.mark.parametrize("name", SWEEPS)
def test_sweep_is_valid_and_watches_a_metric_that_is_logged(name):
    sweep = SWEEPS[name]
    assert not list(sweeps.schema_violations_from_proposed_config(sweep))
    goals = {"val/representation_infonce": "minimize"} | dict.fromkeys(
        ("val/knn_top1", "val/linear_top1"), "maximize"
    )
    assert sweep["metric"]["goal"] == goals[sweep["metric"]["name"]]
    assert sweep["early_terminate"]["type"] == "hyperband"


@pytest.mark.parametrize("name", SWEEPS)
def test_proposals_train_a_step(name, tmp_path, monkeypatch, wandb_mode):
    wandb_mode("disabled")
    arguments = extra(name, tmp_path, monkeypatch)
    for proposal in proposals(SWEEPS[name], n=2):
        assert main([*argv(SWEEPS[name], proposal), *arguments]) == 0
        wandb.finish()
        check_report(tmp_path / "report" / "rank0.json", proposal)


@pytest.mark.long
@pytest.mark.parametrize("name", SWEEPS)
def test_two_processes_train_with_the_same_proposal(name, tmp_path, monkeypatch):
    (proposal,) = proposals(SWEEPS[name], n=1)
    arguments = [*argv(SWEEPS[name], proposal), *extra(name, tmp_path, monkeypatch)]
    if "cifar10" in name:  # the tiny files do not pass torchvision's check in another process
        arguments += ["--data=metaug.datamodules.DigitsDataModule"]
        arguments += ["--model.init_args.encoder.init_args.image_channels=1"]
    arguments += ["--trainer.devices=2", "--trainer.strategy=ddp"]
    subprocess.run(
        [sys.executable, "-m", "metaug", *arguments],
        cwd=tmp_path,
        env={
            **os.environ,
            "WANDB_MODE": "offline",
            "PYTHONPATH": str(REPOSITORY),
            "OMP_NUM_THREADS": "1",
        },
        check=True,
        timeout=200,
    )
    for rank in (0, 1):
        check_report(tmp_path / "report" / f"rank{rank}.json", proposal)
    assert len(list(tmp_path.glob("runs/wandb/offline-run-*"))) == 1
