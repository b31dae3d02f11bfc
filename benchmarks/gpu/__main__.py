"""Everything about MetAug on a GPU within some minutes: right, fast, and whether it learns.

    python -m benchmarks.gpu --minutes 9                       # all parts, as far as time goes
    python -m benchmarks.gpu --minutes 3 --parts learn
    python -m benchmarks.gpu --smoke                           # on a CPU, tiny sizes

Results are JSON lines in `OUT/results.jsonl`, each written as soon as it is known; README.md says
what the parts tell. A machine without network: `prepare.sh`.
"""

import argparse
import os
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from .driver import Driver
from .plan import PARTS, ROWS
from .processes import Budget
from .records import read, table
from .utilization import Utilization


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=9, help="of the whole run")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--tasks", nargs="+", help="of the parts, instead of all")
    parser.add_argument("--smoke", action="store_true", help="every part on a CPU, tiny sizes")
    parser.add_argument("--out", type=Path, default=Path("gpu-results"), help="folder of results")
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
    parser.add_argument("--least", type=float, default=60, help="seconds that learn begins with")
    parser.add_argument("--learn", nargs="*", default=[], help="options of rows, as batch=512")
    parser.add_argument("--started", type=float, default=time.time(), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.learn = [f"--{option}" for option in arguments.learn]
    arguments.rows = arguments.rows or (["metaug"] if arguments.smoke else list(ROWS))
    return arguments


def main() -> int:
    """Run the parts and show a short table; 1 if something of the trial failed."""
    arguments = parse()
    for folder in ("out", "scratch"):
        path = getattr(arguments, folder).resolve()
        path.mkdir(parents=True, exist_ok=True)
        setattr(arguments, folder, path)
    if arguments.images is not None:
        arguments.images = arguments.images.resolve()
    os.environ.setdefault("MPLBACKEND", "agg")
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
    before = len(read(arguments.out))
    watched = nullcontext() if arguments.smoke else Utilization(arguments.out / "gpu.csv")
    with watched:
        Driver(arguments, Budget(arguments.started, 60 * arguments.minutes)).run()
    records = read(arguments.out)[before:]
    print(table(records)[-11_000:], flush=True)
    return int(arguments.smoke and not all(record.get("ok", True) for record in records))


if __name__ == "__main__":
    sys.exit(main())
