"""Runs tasks of a part one after the other, in a process of its own, and writes what they measure.

`@start TASK` and `@end TASK` on standard output tell the driver how far it is; everything else goes
to standard error. A task that fails leaves a record of its error, and the next one runs.
"""

import argparse
import contextlib
import gc
import importlib
import logging
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from .context import Context
from .records import append

Task = Callable[..., dict[str, Any]]
"""`task(context)` or `task(context, argument)`; what it returns is recorded."""


def run(part: str, name: str, tasks: dict[str, Task], context: Context) -> None:
    """Run a task and append its record.

    Args:
        part: Name of the part.
        name: `TASK` or `TASK:ARGUMENT`.
        tasks: The part's tasks.
        context: Where they run.
    """
    start = time.time()
    record: dict[str, Any] = {"part": part, "task": name}
    function, _, argument = name.partition(":")
    try:
        measured = tasks[function](context, *([argument] if argument else []))
        record |= {"ok": True, **measured}
    except Exception as error:
        traceback.print_exc()
        frames = traceback.extract_tb(error.__traceback__)[-4:]
        where = [f"{frame.filename}:{frame.lineno}" for frame in frames]
        message = f"{type(error).__name__}: {error}"[:600]
        record |= {"ok": False, "error": message, "where": where}
    append(context.out, record | {"seconds": time.time() - start})
    torch.use_deterministic_algorithms(False)
    gc.collect()
    if context.on_gpu:
        release_memory(name)


def release_memory(name: str) -> None:
    """Give cached memory of the GPU back; end the process if the GPU is lost to it.

    Args:
        name: The task before.
    """
    try:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
    except RuntimeError as error:
        print(f"the GPU is lost after {name}: {error}", flush=True)
        sys.exit(3)


def add_context(parser: argparse.ArgumentParser) -> None:
    """Add the options that `context_of` reads."""
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=0, help="0 for one per GPU")


def context_of(arguments: argparse.Namespace) -> Context:
    """The context that a process was started with, in which its messages are quiet."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    if arguments.smoke:
        torch.set_num_threads(1)
    processes = arguments.processes or (2 if arguments.smoke else torch.cuda.device_count())
    return Context(
        torch.device(arguments.device),
        arguments.smoke,
        arguments.out,
        arguments.images,
        max(processes, 1),
    )


def main() -> None:
    """Run the tasks of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part")
    parser.add_argument("tasks", nargs="+")
    add_context(parser)
    arguments = parser.parse_args()
    context = context_of(arguments)
    progress = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        tasks = importlib.import_module(f"benchmarks.gpu.parts.{arguments.part}").TASKS
        for name in arguments.tasks:
            print(f"@start {name}", file=progress, flush=True)
            run(arguments.part, name, tasks, context)
            print(f"@end {name}", file=progress, flush=True)


if __name__ == "__main__":
    main()
