"""Where a run that stopped inside an epoch goes on: Lightning's counters, set to a whole batch."""

from typing import Any


def rewind(fit_loop: dict[str, Any], *, validating: bool) -> None:
    """Let a resumed run do again what was in progress when it stopped, and nothing twice.

    Lightning takes a validation that was stopped between two batches for done, and shifts the
    logged steps by one after a training batch that failed.

    Args:
        fit_loop: The fit loop's state in a checkpoint; changed in place.
        validating: Whether the run stopped in a validation; it starts anew.
    """
    epoch = fit_loop["epoch_progress"]["current"]
    training = fit_loop["epoch_loop.batch_progress"]
    if validating:
        _validate_anew(fit_loop)
    elif epoch["ready"] != epoch["processed"] and not at_batch_end(fit_loop):
        for counts in ("total", "current"):
            training[counts] = _in_progress(training[counts]["completed"])
        fit_loop["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1  # a restart adds it


def validate_first(fit_loop: dict[str, Any]) -> None:
    """Let a resumed run begin with the validation that follows the batch just trained.

    Lightning leaves it out after a checkpoint that is written between the two.

    Args:
        fit_loop: The fit loop's state in a checkpoint; changed in place.
    """
    training = fit_loop["epoch_loop.batch_progress"]
    for counts in (training["total"], training["current"]):
        counts["completed"] = counts["processed"]
    _validate_anew(fit_loop)


def at_batch_end(fit_loop: dict[str, Any]) -> bool:
    """Whether a checkpoint is written after a training step, before its batch counts as done."""
    current = fit_loop["epoch_loop.batch_progress"]["current"]
    return current["processed"] > current["completed"]


def _validate_anew(fit_loop: dict[str, Any]) -> None:
    progress = fit_loop["epoch_loop.val_loop.batch_progress"]
    done = progress["total"]["completed"] - progress["current"]["completed"]
    progress["total"] = _in_progress(done)  # so Lightning knows that it is not done
    progress["current"] = dict.fromkeys(progress["current"], 0)
    progress["is_last_batch"] = False


def settle(fit_loop: dict[str, Any]) -> None:
    """Take batches that were begun twice, before and after an earlier stop, out of the totals.

    Lightning leaves them there, and takes the next checkpoint for one of another moment.

    Args:
        fit_loop: The fit loop's state in a checkpoint; changed in place.
    """
    for loop in ("epoch_loop", "epoch_loop.val_loop"):
        progress = fit_loop[f"{loop}.batch_progress"]
        total, current = progress["total"], progress["current"]
        before = total["completed"] - current["completed"]
        progress["total"] = {name: before + current[name] for name in total}


def _in_progress(completed: int) -> dict[str, int]:
    begun, done = completed + 1, completed
    return {"ready": begun, "completed": done, "started": begun, "processed": done}
