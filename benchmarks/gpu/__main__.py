"""Everything about MetAug on a GPU within some minutes: right, fast, and whether it learns.

    python -m benchmarks.gpu --minutes 9                       # all parts, as far as time goes
    python -m benchmarks.gpu --minutes 3 --parts learn
    python -m benchmarks.gpu --smoke                           # on a CPU, tiny sizes
    torchrun --nproc_per_node 8 -m benchmarks.gpu              # the same, with 8 processes beside 1

Results are JSON lines in `OUT/results.jsonl`, each written as soon as it is known; README.md says
what the parts tell. At the end `benchmarks.gpu.report` makes a dated report of them. A machine
without network: `prepare.sh`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from .driver import Driver
from .plan import PARTS, ROOT, ROWS
from .processes import Budget
from .records import append, read, table
from .utilization import Utilization

REPORT_SECONDS = 20.0  # what the parts leave for the report
REPORTS = Path(__file__).parent / "reports"
OF_TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
PREFIXES = ("LOCAL_", "GROUP_", "ROLE_", "TORCHELASTIC_", "PET_")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=9, help="of the whole run, report and all")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--tasks", nargs="+", help="of the parts, instead of all")
    parser.add_argument("--smoke", action="store_true", help="every part on a CPU, tiny sizes")
    parser.add_argument("--device", choices=["cuda", "cpu"], help="cuda; cpu with --smoke")
    parser.add_argument("--processes", type=int, default=0, help="beside one; 0 for one per GPU")
    parser.add_argument("--out", type=Path, default=Path("gpu-results"), help="folder of results")
    parser.add_argument(
        "--report", type=Path, help="folder of the dated report; else reports/, or OUT of a trial"
    )
    parser.add_argument(
        "--images",
        type=Path,
        help="tar file of {train,test}/<class>/<image>; else CIFAR-10 in data/, else generated",
    )
    parser.add_argument(
        "--scratch",
        type=Path,
        default=Path(tempfile.gettempdir()) / "metaug-gpu",
        help="folder of the decoded images, read again by the next run",
    )
    parser.add_argument("--rows", nargs="+", help="of the part learn")
    parser.add_argument("--epochs", type=int, default=200, help="most epochs of the part learn")
    parser.add_argument("--least", type=float, default=45, help="seconds that learn begins with")
    parser.add_argument("--learn", nargs="*", default=[], help="options of rows, as batch=512")
    parser.add_argument("--started", type=float, default=time.time(), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.learn = [f"--{option}" for option in arguments.learn]
    arguments.rows = arguments.rows or (["metaug"] if arguments.smoke else list(ROWS))
    arguments.device = arguments.device or ("cpu" if arguments.smoke else "cuda")
    arguments.report = arguments.report or (arguments.out if arguments.smoke else REPORTS)
    return arguments


def leave_torchrun(arguments: argparse.Namespace) -> bool:
    """Take the number of processes from torchrun; the first goes on as if started alone.

    Returns:
        Whether this process goes on.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return True
    world, rank = int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"])
    if world != int(os.environ["LOCAL_WORLD_SIZE"]):
        sys.exit(f"the benchmark runs on one machine, got {world} processes on several")
    arguments.processes = world
    for name in list(os.environ):
        if name in OF_TORCHRUN or name.startswith(PREFIXES):
            del os.environ[name]
    return rank == 0


def main() -> int:
    """Run the parts, show a short table and write the report.

    Returns:
        1 if something of the trial failed, or the report.
    """
    arguments = parse()
    if not leave_torchrun(arguments):
        return 0
    for folder in ("out", "scratch", "report"):
        path = getattr(arguments, folder).resolve()
        path.mkdir(parents=True, exist_ok=True)
        setattr(arguments, folder, path)
    if arguments.images is not None:
        arguments.images = arguments.images.resolve()
    os.environ.setdefault("MPLBACKEND", "agg")
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
    before = len(read(arguments.out))
    command = " ".join(["python -m benchmarks.gpu", *map(_shown, sys.argv[1:])])
    append(arguments.out, {"part": "run", "task": "command", "ok": True, "command": command})
    watched = nullcontext() if arguments.smoke else Utilization(arguments.out / "gpu.csv")
    with watched:
        seconds = 60 * arguments.minutes - REPORT_SECONDS
        Driver(arguments, Budget(arguments.started, seconds)).run()
    spent = time.time() - arguments.started
    append(arguments.out, {"part": "run", "task": "time", "ok": True, "minutes": spent / 60})
    records = read(arguments.out)[before:]
    print(table(records)[-11_000:], flush=True)
    reporting = [sys.executable, "-m", "benchmarks.gpu.report", str(arguments.out)]
    reporting += ["--into", str(arguments.report)]
    reported = subprocess.run(reporting, cwd=ROOT, check=False).returncode == 0
    failed = arguments.smoke and not all(record.get("ok", True) for record in records)
    return int(failed or not reported)


def _shown(argument: str) -> str:
    """An argument as a report may show it: paths by their last part."""
    return Path(argument).name if argument.startswith(("/", "~")) else argument


if __name__ == "__main__":
    sys.exit(main())
