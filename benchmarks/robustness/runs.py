"""Runs of the command `metaug` in forked processes, which start in no time."""

import gc
import importlib
import os
import shutil
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ports import free_port

PIDS = "pids"
"""A folder of notes: each process writes its number there, and a fault when it happens."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        codes: Exit codes of its processes, negative for a signal; None for one that had to be
            killed at the time limit.
        seconds: How long the last process went on after the fault; after the start without one.
        text: What they wrote.
    """

    codes: list[int | None]
    seconds: float
    text: str


def run(folder: Path, arguments: list[str], *, processes: int, limit: float) -> Outcome:
    """Run `metaug fit` in a folder, each process a fork of this one.

    Nobody looks after the processes, as a launcher would: they have to end by themselves.

    Args:
        folder: Where to run.
        arguments: What follows `metaug fit`.
        processes: How many, over gloo as torchrun starts them.
        limit: Seconds from the fault (or, without one, the start) until they are killed.
    """
    notes = folder / PIDS
    shutil.rmtree(notes, ignore_errors=True)
    notes.mkdir(parents=True)
    if processes > 1:
        arguments = [*arguments, f"--trainer.devices={processes}", "--trainer.strategy=ddp"]
    port = free_port()
    logs = [folder / f"log-{rank}.txt" for rank in range(processes)]
    start = time.time()
    pids = [
        _fork(folder, arguments, rank, processes, port, logs[rank]) for rank in range(processes)
    ]
    codes: dict[int, int | None] = {}
    since = start
    while len(codes) < processes:
        fault = notes / "fault"
        since = fault.stat().st_mtime if fault.exists() else start
        for rank, pid in enumerate(pids):
            if rank not in codes:
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    codes[rank] = os.waitstatus_to_exitcode(status)
                elif time.time() - since > (limit if fault.exists() else 2 * limit):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    codes[rank] = None
        time.sleep(0.01)
    text = "".join(log.read_text() for log in logs)
    return Outcome([codes[rank] for rank in range(processes)], time.time() - since, text)


def preload(folder: Path) -> None:
    """Import here what an earlier run in `folder` had imported, so that later ones need not."""
    for name in (folder / PIDS / "modules").read_text().split():
        try:
            importlib.import_module(name)
        except Exception:
            continue
    gc.collect()
    gc.freeze()  # else the first collection of each process copies all pages


def _fork(
    folder: Path, arguments: list[str], rank: int, processes: int, port: int, log: Path
) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.chdir(folder)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if processes > 1:
            names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "GROUP_RANK": 0}
            names |= {"LOCAL_WORLD_SIZE": processes, "MASTER_ADDR": "127.0.0.1"}
            names |= {"MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "robustness"}
            os.environ.update({name: str(value) for name, value in names.items()})
        from metaug.cli import main

        code = main(["fit", *arguments])
        if rank == 0:
            Path(PIDS, "modules").write_text("\n".join(sys.modules))
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
