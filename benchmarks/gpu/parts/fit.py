"""`metaug fit --config cifar10.yaml` from end to end, and a profile of its steps."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import yaml

from ..context import Context, wait
from ..images import PreparedImages
from ..plan import ROOT
from ..problems import quiet_trainer
from ..recipe import NARROW, recipe, trainer_settings, unknown

EPOCHS = 7
"""From the second to the sixth the probes are due once, every fifth epoch."""
TIMES = ("self_device_time_total", "self_cpu_time_total", "cpu_time_total")


def overlay(context: Context, folder: Path) -> dict[str, Any]:
    """The config that is laid over `cifar10.yaml`: prepared images, few epochs, a clock.

    Args:
        context: Where it runs.
        folder: Of the run and of the clock's file.
    """
    clock = {"path": str(folder / "epochs.jsonl")}
    config: dict[str, Any] = {
        "data": {
            "class_path": "benchmarks.gpu.images.PreparedImages",
            "init_args": {"root": str(context.images)},
        },
        "trainer": {
            "max_epochs": context.sized(EPOCHS, 3),
            "accelerator": context.accelerator,
            "logger": {
                "class_path": "pytorch_lightning.loggers.CSVLogger",
                "init_args": {"save_dir": str(folder)},
            },
            "callbacks+": [
                {"class_path": "benchmarks.gpu.epoch_clock.EpochClock", "init_args": clock}
            ],
        },
    }
    if context.smoke:
        encoder = {"init_args": {"backbone_args": NARROW}}
        optimizer = {"warmup_epochs": 0.5}
        config["model"] = {"init_args": {"encoder": encoder, "encoder_optimizer": optimizer}}
        config["trainer"] |= {"limit_train_batches": 2, "check_val_every_n_epoch": 2}
        config["data"]["init_args"] |= {"batch_size": 32, "num_workers": 0}
    return config


def command_line(context: Context, name: str) -> dict[str, Any]:
    """A run of the command with the config as it is `shipped`; epochs as the clock saw them."""
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        config = folder / "overlay.yaml"
        config.write_text(yaml.safe_dump(overlay(context, folder)))
        command = [sys.executable, "-u", "-m", "metaug", "fit"]
        command += ["--config", "cifar10.yaml", "--config", str(config)]
        search = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        start = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": search},
            capture_output=True,
            text=True,
            check=False,
        )
        spent = time.perf_counter() - start
        clock = folder / "epochs.jsonl"
        lines = clock.read_text().splitlines() if clock.exists() else []
    epochs = [json.loads(line) for line in lines]
    with (context.out / "fit.log").open("a") as log:
        log.write(f"\n=== {name}\n{done.stdout[-20_000:]}\n{done.stderr[-8000:]}\n")
    return {
        "ok": done.returncode == 0,
        "whole_s": spent,
        "epochs": epochs,
        "images of an epoch": epochs[-1]["images"] if epochs else None,
        "output": done.stdout[-600:] if done.returncode == 0 else done.stderr[-1500:],
    }


class Profile(pl.Callback):
    """Profiles some steps of a run, and times the steps before them.

    Args:
        context: Where it runs.
        first: The first profiled step; those before it warm up, the later half of them is timed.
        count: Profiled steps.
    """

    def __init__(self, context: Context, first: int, count: int) -> None:
        self.context, self.first, self.count = context, first, count
        kinds = [torch.profiler.ProfilerActivity.CPU]
        if context.on_gpu:
            kinds.append(torch.profiler.ProfilerActivity.CUDA)
        self.profiler = torch.profiler.profile(activities=kinds, acc_events=True)
        self.step_ms = float("nan")

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
        """Start, or stop."""
        half = self.first // 2
        if index in (half, self.first, self.first + self.count):
            wait(self.context.device)
        if index == half:
            self.since = time.perf_counter()
        if index == self.first:
            self.step_ms = 1e3 * (time.perf_counter() - self.since) / (self.first - half)
            self.profiler.start()
        if index == self.first + self.count:
            self.profiler.stop()


def profile(context: Context, name: str) -> dict[str, Any]:
    """A run through the data module with views made on the device: `shipped` or `compiled`."""
    arguments = {"compile": True} if name == "compiled" else {}
    if unknown(arguments):
        return {"not applicable": "no argument compile"}
    first, count = context.sized((60, 4), (2, 1))
    watch = Profile(context, first, count)
    batch = context.sized(256, 16)
    data = PreparedImages(str(context.images), batch_size=batch, num_workers=0, augment_on="device")
    trainer = quiet_trainer(
        context,
        precision="bf16-mixed",
        limit_train_batches=first + count + 2,
        limit_val_batches=0,
        callbacks=[watch],
        **trainer_settings(),
    )
    trainer.fit(recipe(context, **arguments), datamodule=data)
    _write_tables(context, name, watch)
    return {"step_ms": watch.step_ms, **_totals(watch)}


def _totals(watch: Profile) -> dict[str, Any]:
    """Times, kernels, launches and waits of a step."""
    rows = watch.profiler.key_averages()
    kernels = [row for row in rows if row.self_device_time_total and not row.self_cpu_time_total]
    launches = [row for row in rows if "LaunchKernel" in row.key]
    return {
        "host_ms": sum(row.self_cpu_time_total for row in rows) / 1e3 / watch.count,
        "device_ms": sum(row.self_device_time_total for row in rows) / 1e3 / watch.count,
        "kernels": sum(row.count for row in kernels) / watch.count,
        "launches": sum(row.count for row in launches) / watch.count,
        "waits": {row.key: row.count / watch.count for row in rows if "Synchronize" in row.key},
    }


def _write_tables(context: Context, name: str, watch: Profile) -> None:
    """Tables of the costliest operations, and a trace of the shipped steps."""
    rows = watch.profiler.key_averages()
    with (context.out / "profile.txt").open("a") as file:
        for order in TIMES:
            file.write(f"\n=== {name}: {watch.count} steps, by {order}\n")
            file.write(rows.table(sort_by=order, row_limit=30, max_name_column_width=70))
    if name != "shipped":
        return
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        watch.profiler.export_chrome_trace(str(trace))
        with trace.open("rb") as plain, gzip.open(context.out / "trace.json.gz", "wb") as packed:
            shutil.copyfileobj(plain, packed)


TASKS = {"command_line": command_line, "profile": profile}
