"""How the command ends when it is interrupted, or when another process of the run is gone."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 128 + signal.SIGINT
GRACE = 20.0
"""Seconds that a process may go on after its launcher ended, in which it may end by itself."""


@contextmanager
def ending_in_few_words() -> Iterator[None]:
    """Turn a second Ctrl-C, and an error that follows from another process's, into an exit code.

    Raises:
        SystemExit: 130 after Ctrl-C, 1 where another process has ended, whose message says why.
    """
    from metaug.lightning_modules.distributed.agreement import is_lost_connection

    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # as Lightning ends
            raise SystemExit(INTERRUPTED) from None
        raise
    except RuntimeError as error:
        if not is_lost_connection(error):
            raise
        message = "this process ends because another one of the run has ended, which may say why"
        print(f"metaug: {message}", file=sys.stderr, flush=True)
        raise SystemExit(1) from error


def end_with_launcher() -> None:
    """Let a process that Lightning or torchrun started end `GRACE` seconds after that is gone.

    Otherwise it would wait for the others until its process group's time is over, half an hour.
    """
    by_lightning = os.environ.get("LOCAL_RANK", "0") != "0"
    if by_lightning or "TORCHELASTIC_RUN_ID" in os.environ:
        threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(launcher: int) -> None:
    while os.getppid() == launcher:
        time.sleep(1)
    time.sleep(GRACE)
    os._exit(1)
