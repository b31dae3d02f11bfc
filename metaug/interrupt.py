"""Ctrl-C that leaves a checkpoint from which the run goes on as if it had never stopped."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.utilities.exceptions import SIGTERMException

INTERRUPTED = 128 + signal.SIGINT


@contextmanager
def finish_step_on_interrupt(trainer: Trainer) -> Iterator[None]:
    """Let the first Ctrl-C end training after the step in progress, the second at once.

    An interrupt in the middle of a step would leave one network updated and the other not. Before
    the first step, and on several processes, which are not at the same step, Ctrl-C works as
    everywhere.

    Args:
        trainer: The trainer that runs inside.

    Raises:
        SystemExit: With `INTERRUPTED`, after the first Ctrl-C.
    """
    asked = False

    def stop(signal_number: int, frame: Any) -> None:
        nonlocal asked
        if asked or trainer.sanity_checking or trainer.fit_loop.total_batch_idx < 0:
            raise KeyboardInterrupt
        asked = True
        print("\nmetaug: stopping after this step; Ctrl-C again stops at once", file=sys.stderr)
        os.kill(os.getpid(), signal.SIGTERM)  # Lightning stops after the step

    has_own_handler = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    if has_own_handler or os.name != "posix" or trainer.world_size > 1:
        yield
        return
    try:
        signal.signal(signal.SIGINT, stop)
        yield
    except SIGTERMException:
        if asked:
            raise SystemExit(INTERRUPTED) from None
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
