"""What is to be reached on a GPU, and whether it was."""

from collections.abc import Iterator
from dataclasses import dataclass

from .results import Results

EPOCHS = 200
LIGHTLY, LOOKAHEAD, EXACT, OUCL = "lightly-cl", "lookahead-recipe", "exact-recipe", "recipe"
"""Rows of the part `step`: `recipe` is `cifar10.yaml`, OUCL alone."""


@dataclass(frozen=True)
class Bar:
    """One thing to reach.

    Attributes:
        what: In words.
        limit: The bar.
        value: What was measured, or None.
        more: Whether more is better; else less is.
        form: How numbers are written.
    """

    what: str
    limit: float
    value: float | None
    more: bool = False
    form: str = ".2f"

    @property
    def verdict(self) -> str:
        """In words."""
        if self.value is None:
            return "not measured"
        reached = self.value >= self.limit if self.more else self.value <= self.limit
        return "reached" if reached else "**not reached**"

    @property
    def row(self) -> str:
        """A line of a Markdown table."""
        sign = "≥" if self.more else "≤"
        value = "" if self.value is None else f"{self.value:{self.form}}"
        return f"| {self.what} | {sign} {self.limit:g} | {value} | {self.verdict} |"


def bars(results: Results) -> list[Bar]:
    """All bars; those of a run without a GPU are not measured.

    Args:
        results: Of the benchmark.
    """
    if results.gpu is None:
        results = Results(None)
    return [
        Bar("waits for the device per training step, between logged steps", 0, _waits(results)),
        *_step_ratios(results),
        Bar("host time over device time of a step that looks ahead", 1, _host_share(results)),
        Bar(
            "`metaug fit --config cifar10.yaml` from end to end: images/s over the bare step's",
            0.95,
            _end_to_end(results),
            more=True,
        ),
        Bar(
            f"{EPOCHS} epochs of it, minutes (start + {EPOCHS} × an epoch as measured)",
            10,
            minutes_of_run(results),
            form=".1f",
        ),
        Bar("peak memory over lightly's step: `lookahead`", 1.1, _memory(results, LOOKAHEAD)),
        Bar("peak memory over lightly's step: `exact`", 1.3, _memory(results, EXACT)),
        Bar(
            "head and its derivatives under bf16-mixed: relative error to float64",
            1e-6,
            _head_error(results),
            form=".1e",
        ),
    ]


def _waits(results: Results) -> float | None:
    by_kind = results.get("parity", "waits", "waits of one step")
    return max(sum(places.values()) for places in by_kind.values()) if by_kind else None


def _step_ratios(results: Results) -> Iterator[Bar]:
    for name, row, limit in (("lookahead", LOOKAHEAD, 1.36), ("exact", EXACT, 2.8)):
        for batch in (256, 1024):
            ratio = results.number("step", f"bf16,{batch} {row}", "ratio")
            yield Bar(f"`{name}` over lightly's SimCLR step, batch {batch}", limit, ratio)
    ratio = results.number("step", f"bf16,256 {OUCL}", "ratio")
    yield Bar("OUCL alone over lightly's SimCLR step, batch 256", 0.8, ratio)


def _host_share(results: Results) -> float | None:
    host, device = (
        results.number("step", f"bf16,256 {LOOKAHEAD}", f"{which}_ms")
        for which in ("host", "device")
    )
    return host / device if host and device else None


def epoch_seconds(results: Results) -> float | None:
    """Mean seconds of an epoch of `metaug fit`, all that happens in it included.

    The first epoch is left out, which warms up, and the last, after which the run ends.

    Args:
        results: Of the benchmark.
    """
    epochs = results.get("fit", "command_line:shipped", "epochs") or []
    whole = [epoch["whole"] for epoch in epochs[1:-1] if "whole" in epoch]
    return sum(whole) / len(whole) if whole else None


def _end_to_end(results: Results) -> float | None:
    seconds = epoch_seconds(results)
    images = results.number("fit", "command_line:shipped", "images of an epoch")
    bare = results.number("step", f"bf16,256 {OUCL}", "images_per_s")
    return images / seconds / bare if seconds and images and bare else None


def minutes_of_run(results: Results) -> float | None:
    """Minutes of a whole run, from what an epoch took.

    Args:
        results: Of the benchmark.
    """
    seconds = epoch_seconds(results)
    if seconds is None:
        return None
    start = results.get("fit", "command_line:shipped", "epochs")[0]["until the first epoch"]
    return (start + EPOCHS * seconds) / 60


def _memory(results: Results, row: str) -> float | None:
    """The greatest of the ratios at all batches."""
    ratios = []
    for batch in (256, 1024):
        own, base = (
            results.number("step", f"bf16,{batch} {name}", "peak_GiB") for name in (row, LIGHTLY)
        )
        ratios += [own / base] if own and base else []
    return max(ratios, default=None)


def _head_error(results: Results) -> float | None:
    errors = results.get("parity", "head", "relative error")
    return max(errors.values()) if errors else None
