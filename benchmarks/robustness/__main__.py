"""Faults at random moments: do all processes end, and does the resumed run equal one never stopped?

python -m benchmarks.robustness --faults 40 --processes 2 --seed 0
"""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

import metaug.trainer_cli  # noqa: F401 - imported once, before the processes are forked
from benchmarks.robustness.report import write_report
from benchmarks.robustness.trials import Row, Trials

HERE = Path(__file__).parent


def main() -> int:
    """Run and report; the exit code is 1 if a fault had an effect."""
    parser = argparse.ArgumentParser(prog="benchmarks.robustness", description=__doc__)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--also", action="append", default=[], help="an argument of all runs")
    parser.add_argument("--reports", type=Path, default=HERE / "reports")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    generator = random.Random(arguments.seed)
    rows: list[Row] = []
    start = time.time()
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(Path(folder), arguments.processes, arguments.also)
        for number in range(arguments.faults):
            rows.append(trials.draw_and_try(generator))
            print(number, rows[-1], file=sys.stderr, flush=True)
    path = write_report(
        arguments.reports, rows, arguments.processes, arguments.seed, time.time() - start
    )
    print(path.read_text(), file=sys.stdout)
    return int(not all(row.passed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
