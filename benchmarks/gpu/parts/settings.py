"""What the settings that the project offers are worth: the recipe's step under each of them."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from metaug.callbacks import CompileBackbone

from ..context import Context
from ..recipe import recipe, unknown
from .step import build_module, release, time_module

LIGHTLY = "lightly-cl"
KEYS = ("ms", "device_ms", "kernels", "images_per_s", "peak_GiB", "graphs")


@dataclass(frozen=True)
class Setting:
    """What a user would write into the config.

    Attributes:
        model: Arguments of `MetAug`, and `channels_last` of its encoder.
        trainer: Arguments of the Trainer.
        callbacks: Makes further callbacks.
    """

    model: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = field(default_factory=dict)
    callbacks: Callable[[], tuple[Any, ...]] = tuple


SETTINGS = {
    "as shipped": Setting(),
    "compile: false": Setting(model={"compile": False}),
    "trainer.benchmark: false": Setting(trainer={"benchmark": False}),
    "channels_last: false": Setting(model={"channels_last": False}),
    "log_every_n_steps: 1": Setting(trainer={"log_every_n_steps": 1}),
    "overlay compile (the backbone)": Setting(callbacks=lambda: (CompileBackbone(),)),
}
FIRST = tuple(SETTINGS)[:3]
SMOKE = ("as shipped", "channels_last: false", "log_every_n_steps: 1")


@contextlib.contextmanager
def put_back() -> Iterator[None]:
    """What a Trainer sets for the whole process is as before afterwards."""
    before = torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def under(context: Context, engine: str, setting: Setting, batch: int) -> dict[str, Any]:
    """A step of the recipe under a setting.

    Args:
        context: Where it runs.
        engine: Of the meta step.
        setting: Laid over the config.
        batch: Instances of a batch.
    """
    missing = unknown({name: 0 for name in setting.model if name != "channels_last"})
    if missing:
        return {"not applicable": f"no argument {', '.join(missing)}"}
    try:
        with put_back():
            module = recipe(context, engine, **setting.model)
            callbacks = setting.callbacks()
            measured = time_module(context, module, batch, callbacks=callbacks, **setting.trainer)
    except (RuntimeError, ValueError) as error:  # the other settings are measured all the same
        return {"error": f"{type(error).__name__}: {error}"[:200]}
    finally:
        release(context)
    return {key: measured[key] for key in KEYS if key in measured}


def steps(context: Context, argument: str) -> dict[str, Any]:
    """A step of `ENGINE,BATCH` under each setting, beside lightly's."""
    engine, batch_text = argument.split(",")
    batch = context.sized(int(batch_text), 8)
    names = SETTINGS if argument == "lookahead,256" else FIRST
    lightly = time_module(context, build_module(context, LIGHTLY), batch)
    rows = {"lightly's SimCLR": {key: lightly[key] for key in KEYS if key in lightly}}
    for name in context.sized(names, SMOKE):
        rows[name] = under(context, engine, SETTINGS[name], batch)
    for row in rows.values():
        if "ms" in row:
            row["ratio"] = row["ms"] / lightly["ms"]
    return {"batch": batch, "steps": rows}


TASKS = {"steps": steps}
