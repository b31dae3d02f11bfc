"""Whole training steps: against the CPU, finite in bf16, waits, memory, resume, deterministic."""

import gc
import logging
import os
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from ..context import Context, relative_error
from ..images import PreparedImages
from ..plan import ROOT
from ..problems import ENGINES, RandomBatches, fit, quiet_trainer, small_metaug
from ..recipe import recipe, unknown

WATCHED_STEP = 4  # optimizers have their states, nothing is built any more


def _floats(module: pl.LightningModule) -> list[torch.Tensor]:
    return [each for each in module.state_dict().values() if each.is_floating_point()]


def _train_in_float64(
    context: Context, kind: str, *, steps: int = 3, compile: bool = False, **settings: Any
) -> list[torch.Tensor]:
    """Parameters and statistics of a small module after some steps."""
    module = small_metaug(kind, **({"compile": True} if compile else {})).double()
    data = RandomBatches(steps, 12, 16, torch.float64, torch.device("cpu"))
    fit(context, module, data, precision="64-true", **settings)
    if compile and context.on_gpu and module._graphed.obstacle:
        raise RuntimeError(f"{kind}: no CUDA graph, since {module._graphed.obstacle}")
    return _floats(module)


def steps(context: Context) -> dict[str, Any]:
    """Three whole training steps in float64 under a Trainer: this device against the CPU."""
    errors = {}
    for kind in context.sized(("simclr", "oucl", *ENGINES), ("simclr", "exact")):
        cpu = _train_in_float64(context, kind, accelerator="cpu")
        errors[kind] = relative_error(_train_in_float64(context, kind), cpu)
    return {"relative error after three steps": errors}


def compiled(context: Context) -> dict[str, Any]:
    """With `compile: true` the numbers are as they are without: eight steps in float64."""
    if unknown({"compile": True}):
        return {"not applicable": "no argument compile"}
    errors = {}
    logging.basicConfig()
    logging.getLogger("metaug").setLevel(logging.DEBUG)  # where a recording failed
    for kind in context.sized(("simclr", "oucl", "lookahead", "exact"), ("exact",)):
        ends = [
            _train_in_float64(context, kind, steps=8, compile=compile) for compile in (False, True)
        ]
        errors[kind] = relative_error(*reversed(ends))
    return {"relative error to compile: false": errors}


def bf16(context: Context) -> dict[str, Any]:
    """Ten steps of the recipe in bf16-mixed with every engine: finite, and how much memory."""
    measured: dict[str, Any] = {}
    count, batch = context.sized((10, 256), (2, 8))
    for engine in ENGINES:
        data = RandomBatches(count, batch, context.sized(32, 16), torch.float32, context.device)
        module = recipe(context, engine)
        if context.on_gpu:
            torch.cuda.reset_peak_memory_stats()
        try:
            trainer = fit(context, module, data, precision="bf16-mixed")
            measured[engine] = {
                "finite": all(bool(each.isfinite().all()) for each in _floats(module)),
                **{name: float(value) for name, value in trainer.callback_metrics.items()},
            }
        except RuntimeError as error:  # the other engines run all the same
            measured[engine] = {"error": f"{type(error).__name__}: {error}"[:300]}
        if context.on_gpu:
            measured[engine]["peak_GiB"] = torch.cuda.max_memory_allocated() / 2**30
    return {"engines": measured}


class SyncDebug(pl.Callback):
    """Lets torch warn wherever one step waits for the device."""

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
        """Switch the warnings on."""
        if index == WATCHED_STEP and torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("warn")

    def on_train_batch_end(self, trainer: Any, module: Any, *rest: Any) -> None:
        """Switch them off."""
        if torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("default")


def waits(context: Context) -> dict[str, Any]:
    """Where a training step waits for the device, by file and line."""
    measured = {}
    for kind in ("oucl", "simclr", "lookahead", "exact"):
        places: Counter[str] = Counter()

        def note(message: Any, *rest: Any, places: Counter[str] = places, **more: Any) -> None:
            if "called a synchronizing" not in str(message):  # not that the mode is a prototype
                return
            frames = [
                f"{frame.filename[-60:]}:{frame.lineno}"
                for frame in traceback.extract_stack()
                if "site-packages/torch" not in frame.filename
                and not frame.filename.endswith("warnings.py")
            ]
            places[" < ".join(reversed(frames[-4:-1]))] += 1

        data = RandomBatches(6, 12, 16, torch.float32, context.device)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = note
            fit(context, small_metaug(kind), data, callbacks=[SyncDebug()])
        measured[kind] = dict(places)
    return {"waits of one step": measured}


class MemoryAfter(pl.Callback):
    """MiB that are allocated on the GPU after each step."""

    def __init__(self) -> None:
        self.mebibytes: list[float] = []

    def on_train_batch_end(self, *_: Any) -> None:
        """Note it."""
        allocated = torch.cuda.memory_allocated() if torch.cuda.is_available() else 0
        self.mebibytes.append(allocated / 2**20)


def memory(context: Context) -> dict[str, Any]:
    """Memory after each of 30 steps, without Python's cycle collector: flat if nothing is kept."""
    measured = {}
    for kind in ("lookahead", "exact"):
        after = MemoryAfter()
        data = RandomBatches(context.sized(30, 4), 12, 16, torch.float32, context.device)
        gc.collect()
        gc.disable()
        try:
            fit(context, small_metaug(kind), data, callbacks=[after])
        finally:
            gc.enable()
        third, *_, last = after.mebibytes[2:]
        measured[kind] = {"after the third step, MiB": third, "after the last, MiB": last}
    return {"memory": measured}


class SaveSecond(pl.Callback):
    """Saves a checkpoint after the second step, in the middle of the epoch.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save."""
        if trainer.global_step == 2:
            trainer.save_checkpoint(self.path)


def resume(context: Context) -> dict[str, Any]:
    """Four steps at one stretch, and the last two again from the checkpoint after the second."""
    errors = {}
    for deterministic in (False, True):
        torch.use_deterministic_algorithms(deterministic, warn_only=True)
        ends = []
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Path(folder) / "second.ckpt"
            for seed, path in ((0, None), (1, checkpoint)):
                pl.seed_everything(seed, verbose=False)
                module = small_metaug("lookahead")
                data = PreparedImages(
                    str(context.images), batch_size=32, num_workers=0, augment_on="device"
                )
                trainer = quiet_trainer(
                    context,
                    max_steps=4,
                    max_epochs=-1,
                    limit_val_batches=0,
                    callbacks=[SaveSecond(checkpoint)],
                )
                trainer.fit(module, datamodule=data, ckpt_path=path)
                ends.append(_floats(module))
        name = "deterministic" if deterministic else "as it is"
        errors[name] = relative_error(ends[1], ends[0])
    torch.use_deterministic_algorithms(False)
    return {"relative error of the resumed run": errors}


def deterministic(context: Context) -> dict[str, Any]:
    """Whether `trainer.deterministic: true` runs, with every engine."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    outcomes = {}
    for kind in ("simclr", *ENGINES):
        data = RandomBatches(1, 12, 16, torch.float32, context.device)
        try:
            fit(context, small_metaug(kind), data, deterministic=True)
            outcomes[kind] = "runs"
        except RuntimeError as error:
            outcomes[kind] = str(error)[:200]
    return {"deterministic": outcomes}


def own_tests(context: Context) -> dict[str, Any]:
    """The project's tests that need a GPU."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts="]
    # the others may need packages that the machine lacks
    marked = [
        str(path)
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if "mark.gpu" in path.read_text(encoding="utf-8")
    ]
    gpus = ",".join(map(str, range(torch.cuda.device_count())))
    done = subprocess.run(
        [*command, "-W", "default", "-m", "gpu", *marked],
        cwd=ROOT,
        env={"CUDA_VISIBLE_DEVICES": gpus} | os.environ,  # else conftest.py hides them
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout[-4000:], done.stderr[-2000:])
    return {"ok": done.returncode == 0, "pytest": done.stdout.strip().splitlines()[-1:]}
