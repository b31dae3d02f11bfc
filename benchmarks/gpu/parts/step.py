"""What a step costs: every engine, OUCL alone, and lightly's SimCLR with the same encoder.

Under a real Trainer, on batches that lie on the device. A window of steps is timed from an empty
queue to an empty queue, without waiting inside, as in training.
"""

import gc
import resource
import statistics
import time
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from benchmarks.step.running import OneBatch
from benchmarks.step.variants import Setting, build

from ..context import Context, wait
from ..problems import quiet_trainer
from ..recipe import recipe, trainer_settings
from ..records import append

BASE = "lightly-cl"
RECIPES = {
    "recipe": ("attraction", "lookahead"),
    "lookahead-recipe": ("metaug", "lookahead"),
    "exact-recipe": ("metaug", "exact"),
    "simclr-recipe": ("simclr", "lookahead"),
}
"""Method and engine over `cifar10.yaml`."""
FIRST = (BASE, *RECIPES)
EAGER = ("lookahead-recipe-eager", "exact-recipe-eager", "recipe-eager")
OTHERS = (BASE, "first_order-cl", "exact/4-cl", "lightly", "higher-cl")
SMOKE = (BASE, "recipe", "lookahead-recipe", "exact-recipe", "recipe-eager")
TINY = 8
"""A batch that gives a GPU next to nothing to do: what its step takes is the host's time."""


class Windows(pl.Callback):
    """Seconds of a step in each window, by the clock and of the host's processor; then a profile.

    Args:
        context: Where it runs.
        profiled: Steps whose kernels are counted at the end.
    """

    def __init__(self, context: Context, profiled: int) -> None:
        self.context = context
        self.warm_up, self.length, self.count = context.sized((12, 15, 3), (1, 1, 2))
        self.profiled = profiled if context.on_gpu else 0
        self.wall: list[float] = []
        self.host: list[float] = []
        self.kernels: dict[str, float] = {}
        self.profiler: Any = None

    @property
    def steps(self) -> int:
        """All steps; the last window ends where the next step begins."""
        return self.warm_up + self.length * self.count + max(self.profiled, 1)

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
        """Between windows: wait, and note the time."""
        step = index - self.warm_up
        if step == 0 and self.context.on_gpu:
            torch.cuda.reset_peak_memory_stats()
        if step < 0 or step % self.length or step > self.length * self.count:
            return
        wait(self.context.device)
        if step:
            self.wall.append((time.perf_counter() - self.start[0]) / self.length)
            self.host.append((time.process_time() - self.start[1]) / self.length)
        if step == self.length * self.count and self.profiled:
            kinds = [torch.profiler.ProfilerActivity.CUDA]
            self.profiler = torch.profiler.profile(activities=kinds, acc_events=True)
            self.profiler.start()
        self.start = time.perf_counter(), time.process_time()

    def on_train_end(self, trainer: Any, module: Any) -> None:
        """Count the kernels."""
        if self.profiler is None:
            return
        wait(self.context.device)
        self.profiler.stop()
        times = [(row.self_device_time_total, row.count) for row in self.profiler.key_averages()]
        self.kernels = {
            "device_ms": sum(spent for spent, _ in times) / 1e3 / self.profiled,
            "kernels": sum(count for spent, count in times if spent > 0) / self.profiled,
        }


def time_module(
    context: Context,
    module: pl.LightningModule,
    batch: int,
    precision: str = "bf16-mixed",
    callbacks: tuple[pl.Callback, ...] = (),
    **settings: Any,
) -> dict[str, Any]:
    """Train some steps of a module, with the Trainer of `cifar10.yaml`, and say what one costs.

    Args:
        context: Where it runs.
        module: What is trained.
        batch: Instances of a batch.
        precision: The Trainer's.
        callbacks: Of the Trainer, besides the clock.
        settings: Of the Trainer, over the config's.
    """
    windows = Windows(context, profiled=3)
    data = OneBatch(batch, context.sized(32, 16), windows.steps, str(context.device))
    callbacks = (windows, *callbacks)
    settings = trainer_settings() | {"precision": precision} | settings
    trainer = quiet_trainer(context, callbacks=list(callbacks), **settings)
    trainer.fit(module, DataLoader(data, batch_size=None))
    step = statistics.median(windows.wall)
    measured = {
        "ms": 1e3 * step,
        "windows_ms": [1e3 * each for each in windows.wall],
        "processor_ms": 1e3 * statistics.median(windows.host),
        "images_per_s": batch / step,
        **windows.kernels,
        **_graphs(module),
    }
    if context.on_gpu:
        measured["peak_GiB"] = torch.cuda.max_memory_allocated() / 2**30
        measured["reserved_GiB"] = torch.cuda.max_memory_reserved() / 2**30
    else:
        measured["resident_GiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return measured


def _graphs(module: pl.LightningModule) -> dict[str, Any]:
    """How many CUDA graphs `compile: true` has recorded, or why it has none."""
    graphed = getattr(module, "_graphed", None)
    return {} if graphed is None else {"graphs": graphed.obstacle or len(graphed.recordings)}


def build_module(context: Context, name: str) -> pl.LightningModule:
    """A variant of `benchmarks.step`, or a method by `cifar10.yaml`.

    `recipe` is the config as it is, the others are that with an overlay; with `-eager` each without
    CUDA graphs.
    """
    of_recipe = name.removesuffix("-eager")
    if of_recipe in RECIPES:
        method, engine = RECIPES[of_recipe]
        eager = {} if name == of_recipe else {"compile": False}
        return recipe(context, engine, method=method, **eager)
    return build(
        name, context.sized(Setting("resnet18", 32, True), Setting("test_resnet", 16, True))
    )


def release(context: Context) -> None:
    """Give back what the module before held, or it would count as memory of the next one."""
    gc.collect()
    if context.on_gpu:
        torch.cuda.empty_cache()


def host_ms(context: Context, name: str, precision: str, processor_ms: float) -> float:
    """What the host does for a step, in milliseconds: the lower of two upper bounds.

    The processor's time includes waiting in a loop where the device is behind; a step of a tiny
    batch includes what the device cannot hide.

    Args:
        context: Where it runs.
        name: The variant.
        precision: The Trainer's.
        processor_ms: Processor time of a step.
    """
    if not context.on_gpu:
        return processor_ms
    tiny = time_module(context, build_module(context, name), TINY, precision)
    return min(processor_ms, tiny["ms"])


def variants(context: Context, argument: str) -> dict[str, Any]:
    """Variants at a precision and a batch, such as `bf16,256`; each is recorded by itself.

    Ratios are to lightly's SimCLR in channels-last. First those that a bar is set for; with
    `,others` behind it those that no bar is set for.
    """
    kind, batch_text, *others = argument.split(",")
    batch = context.sized(int(batch_text), 8)
    torch.set_float32_matmul_precision("high" if kind == "tf32" else "highest")
    precision = "bf16-mixed" if kind == "bf16" else "32-true"
    names = OTHERS if others else (*FIRST, *EAGER)
    ratios: dict[str, float | str] = {}
    base_ms = float("nan")
    for name in context.sized(names, SMOKE):
        task = f"{kind},{batch_text} {name}"
        record: dict[str, Any] = {"part": "step", "task": task, "batch": batch}
        try:
            measured = time_module(context, build_module(context, name), batch, precision)
            base_ms = measured["ms"] if name == BASE else base_ms
            ratios[name] = measured["ms"] / base_ms
            if argument == "bf16,256" or not context.on_gpu:
                measured["host_ms"] = host_ms(context, name, precision, measured["processor_ms"])
            record |= {"ok": True, "ratio": ratios[name], **measured}
        except (RuntimeError, ValueError) as error:  # out of memory: the others run all the same
            ratios[name] = f"{type(error).__name__}: {error}"[:300]
            record |= {"ok": False, "error": ratios[name]}
        append(context.out, record)
        release(context)
    torch.set_float32_matmul_precision("highest")
    return {f"ratios to {BASE}": ratios}


TASKS = {"variants": variants}
