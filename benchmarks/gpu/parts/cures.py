"""What each change of `patches.py` would save: the recipe's step with it, and as a CUDA graph."""

from collections.abc import Callable
from typing import Any

import torch
from metaug.lightning_modules import MetaGradient, MetAug

from .. import patches
from ..context import Context, median_seconds, relative_error, wait
from ..problems import random_views, step_gradients
from ..recipe import recipe
from .step import build_module, time_module

SETS = {
    "none": (),
    "log": ("log",),
    "channels_last": ("channels_last",),
    "copies": ("copies",),
    "draws": ("draws",),
    "plain": ("plain",),
    "cudnn.benchmark": ("cudnn.benchmark",),
    "same numbers": ("log", "channels_last", "copies", "draws"),
    "all": ("log", "channels_last", "copies", "draws", "plain", "cudnn.benchmark"),
}
SETTINGS = ("channels_last", "cudnn.benchmark")
"""Changes that are settings of torch, not patches of the project."""


def time_changed(
    context: Context, module: Any, names: tuple[str, ...], batch: int, *callbacks: Any
) -> dict[str, Any]:
    """A step of a module with changes; which of them are not applicable.

    Args:
        context: Where it runs.
        module: A module with an `encoder`.
        names: Changes.
        batch: Instances of a batch.
        callbacks: Of the Trainer.
    """
    wanted = [name for name in names if name not in SETTINGS]
    missing = patches.not_applicable(wanted)
    if wanted and len(missing) == len(wanted):
        return {"not applicable": missing}
    if "channels_last" in names:
        module.encoder.to(memory_format=torch.channels_last)
    torch.backends.cudnn.benchmark = "cudnn.benchmark" in names
    with patches.applied([name for name in wanted if name not in missing]):
        measured = time_module(context, module, batch, callbacks=callbacks)
    torch.backends.cudnn.benchmark = False
    keys = ("ms", "host_ms", "device_ms", "kernels")
    shown = {key: measured[key] for key in keys if key in measured}
    return shown | ({"not applicable": missing} if missing else {})


def patched(context: Context, argument: str) -> dict[str, Any]:
    """A step of `ENGINE,BATCH` under each set of changes."""
    engine, batch_text = argument.split(",")
    batch = context.sized(int(batch_text), 8)
    names = list(SETS) if argument == "recipe,256" else ["none", "same numbers", "all"]
    return {
        "batch": batch,
        "steps": {
            name: time_changed(context, build_module(context, engine), SETS[name], batch)
            for name in names
        },
    }


def _gradients_of(module: MetAug, views: list[torch.Tensor]) -> Callable[[], MetaGradient]:
    """The gradients of a step under autocast, as a function that can be captured."""

    def gradients() -> MetaGradient:
        with torch.autocast(views[0].device.type, torch.bfloat16, cache_enabled=False):
            parts: Any = (module.encoder, module.generator, module.objective)
            return step_gradients(*parts, views, module.meta.engine, module.meta.inner_lr)

    return gradients


def graph(context: Context, argument: str) -> dict[str, Any]:
    """The gradients of a step as they are, and replayed from a CUDA graph: `ENGINE,BATCH`.

    A replay takes what the step would if the host cost nothing.
    """
    engine, batch_text = argument.split(",")
    names = ("copies", "draws")
    missing = patches.not_applicable(names)
    if missing:
        return {"not applicable": missing}
    batch = context.sized(int(batch_text), 8)
    module = recipe(context, engine).to(context.device)
    module.encoder.to(memory_format=torch.channels_last)
    views = [view.float().to(context.device) for view in random_views(batch, context.sized(32, 16))]
    gradients = _gradients_of(module, views)
    with patches.applied(names):
        eager = median_seconds(context.device, gradients, *context.sized((20, 5), (2, 1)))
        measured: dict[str, Any] = {"batch": batch, "eager_ms": 1e3 * eager}
        if not context.on_gpu:
            return measured | {"graph": "needs a GPU"}
        return measured | _capture(context, module, gradients)


def _capture(
    context: Context, module: MetAug, gradients: Callable[[], MetaGradient]
) -> dict[str, Any]:
    """Capture the gradients, compare them with eager ones and time a replay."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            gradients()
    torch.cuda.current_stream().wait_stream(side)
    buffers = {name: each.clone() for name, each in module.named_buffers()}
    expected = gradients()
    module.load_state_dict(buffers, strict=False)
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        result = gradients()
    captured.replay()
    wait(context.device)
    return {
        "graph to eager, encoder": relative_error(result.encoder, expected.encoder),
        "graph to eager, generator": relative_error(result.generator, expected.generator),
        "graph_ms": 1e3 * median_seconds(context.device, captured.replay, 30),
        "peak_GiB": torch.cuda.max_memory_allocated() / 2**30,
    }


TASKS = {"patched": patched, "graph": graph}
