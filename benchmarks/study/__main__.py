r"""Does it learn better? Rows of settings by seeds, on the same images, epochs and evaluation.

    python -m benchmarks.study --data FOLDER                    # the rows of the report, 3 seeds
    python -m benchmarks.study --data FOLDER --rows oucl metaug --seeds 0 1 2 3 4
    python -m benchmarks.study --data FOLDER --images-per-class 0 --epochs 200 --encoder resnet18 \
        --device cuda --precision bf16-mixed --batch 256        # the same study on a GPU
    python -m benchmarks.study --report                       # tables and figures from the results

FOLDER holds `train/` and `test/` (or `val/`), each with a folder of images per class. Every run
trains MetAug, or lightly's SimCLR, under a real Trainer and is scored once, after its last epoch.
Results are appended to a file in `benchmarks/study/results/`; runs that it holds are skipped, so
that an interrupted study goes on where it was. Rows are in `rows.yaml`.
"""

import argparse
import time
import traceback
from pathlib import Path

import torch

from .report import write_report
from .results import Results
from .rows import HERE, Rows
from .training import Budget, run


def study(arguments: argparse.Namespace) -> None:
    """Do all runs that are not in the results yet, seed by seed."""
    budget = Budget(
        images_per_class=arguments.images_per_class,
        epochs=arguments.epochs,
        encoder=arguments.encoder,
        batch_size=arguments.batch,
        image_size=arguments.image_size,
        precision=arguments.precision,
        device=arguments.device,
    )
    rows = Rows(arguments.rows_file)
    results = Results(arguments.out)
    for seed in arguments.seeds:
        for name in rows.names(arguments.rows):
            settings = rows.settings(name)
            if results.holds(seed, budget, settings):
                continue
            start = time.perf_counter()
            try:
                scores = run(settings, budget, arguments.data, seed) | {"error": ""}
            except (ValueError, RuntimeError) as error:
                if not arguments.keep_failures:
                    raise
                traceback.print_exc()
                scores = {"error": str(error).splitlines()[0][:200]}
            results.add(name, seed, budget, settings, scores)
            shown = " ".join(f"{k} {v:.2f}" for k, v in scores.items() if isinstance(v, float))
            print(f"{name} seed {seed}: {shown} ({time.perf_counter() - start:.0f} s)", flush=True)


def main() -> None:
    """Run, or report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of images")
    parser.add_argument("--rows", nargs="+", default=["report"], help="rows or groups")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images-per-class", type=int, default=500, help="0 for all")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--encoder", default="small", help="small, or a timm model")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rows-file", type=Path, default=HERE / "rows.yaml")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "cifar10-small.csv")
    parser.add_argument("--figures", type=Path, default=HERE.parents[1] / "docs" / "figures")
    parser.add_argument("--keep-failures", action="store_true", help="note a failed run and go on")
    parser.add_argument("--report", action="store_true", help="tables and figures; no runs")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.report:
        for path in write_report(arguments.out, Rows(arguments.rows_file), arguments.figures):
            print(f"wrote {path}")
        return
    if arguments.data is None:
        parser.error("--data FOLDER is needed: a folder of images with train/ and test/")
    study(arguments)


if __name__ == "__main__":
    main()
