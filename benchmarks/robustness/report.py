"""The report of a series of faults."""

from datetime import date
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.robustness.trials import LIMIT, Row


def write_report(folder: Path, rows: list[Row], processes: int, seed: int, seconds: float) -> Path:
    """Write the figures and every fault.

    Args:
        folder: Where reports go.
        rows: What came of each fault.
        processes: How many each run had.
        seed: That the faults were drawn by.
        seconds: How long it all took.
    """
    command = (
        f"python -m benchmarks.robustness --faults {len(rows)} --processes {processes} "
        f"--seed {seed}"
    )
    count, waits = len(rows), sorted(row.seconds for row in rows)
    lines = [
        f"# Faults in runs of {processes} process{'es' if processes > 1 else ''}, {date.today()}",
        "",
        *describe_machine(command),
        f"- took {seconds / 60:.1f} minutes",
        "",
        "Each run trains digits for 3 epochs of 5 batches, with dropout, a memory bank and probes. "
        "It meets one fault, is resumed (or repeated, if no checkpoint was there yet) and compared "
        "with a run that never stopped: all of the last checkpoint, all logged values, bit for "
        "bit. No launcher looks after the processes: they end by themselves or not.",
        "",
        "| | |",
        "|---|--:|",
        f"| all processes ended within {LIMIT:.0f} s | {sum(r.in_time for r in rows)} of {count} |",
        f"| exit codes as documented | {sum(r.code_is_right for r in rows)} of {count} |",
        f"| resumed run identical | {sum(not r.differences for r in rows)} of {count} |",
        f"| of these repeated from the start | {sum(r.begun_anew for r in rows)} |",
        f"| seconds to the end, median | {waits[count // 2]:.2f} |",
        f"| seconds to the end, longest | {waits[-1]:.2f} |",
        "",
        "| kind | place | visit | rank | delay, s | exit codes | end, s | resumed |",
        "|---|---|--:|--:|--:|---|--:|---|",
    ]
    for row in rows:
        fault = row.fault
        place = fault.place.removeprefix("on_").replace("_", " ")
        codes = " ".join("hangs" if code is None else str(code) for code in row.codes)
        same = "repeated" if row.begun_anew else "identical"
        resumed = f"differs: {row.differences[0][:80]}" if row.differences else same
        lines.append(
            f"| {fault.kind} | {place} | {fault.count} | {fault.rank} | {fault.delay:.3f} "
            f"| {codes} | {row.seconds:.2f} | {resumed} |"
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{date.today()}-{processes}-process{'es' if processes > 1 else ''}.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
