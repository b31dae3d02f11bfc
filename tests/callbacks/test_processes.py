import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(processes, folder):
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    if processes == 1:
        launcher = []
    script = ["-m", "tests.callbacks.processes"]
    if launcher:
        script = ["--module", "tests.callbacks.processes"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *launcher, *script, str(folder), str(processes)],
        timeout=120,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads((folder / f"{processes}.json").read_text())


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    return run(1, folder), run(2, folder)


@pytest.mark.parametrize("shards", ["uneven", "one empty"])
@pytest.mark.parametrize("k", [1, 7, 99, 200])
def test_knn_is_exact_on_uneven_shards(results, shards, k):
    one, two = results
    assert len(one[f"knn {shards} {k}"]) == 21
    assert one[f"knn {shards} {k}"] == two[f"knn {shards} {k}"]


@pytest.mark.parametrize("shards", ["uneven", "one empty"])
def test_a_grid_is_exact_on_uneven_shards(results, shards):
    one, two = results
    assert one[f"grid {shards}"] == two[f"grid {shards}"]
    for place, k in enumerate((1, 7, 99, 200)):
        assert one[f"grid {shards}"][place] == one[f"knn {shards} {k}"]


@pytest.mark.parametrize("shards", ["uneven", "one empty"])
def test_linear_head_is_the_same_on_uneven_shards(results, shards):
    one, two = results
    for row, other in zip(one[f"weight {shards}"], two[f"weight {shards}"], strict=True):
        assert row == pytest.approx(other, abs=1e-6)
    for row, other in zip(one[f"linear {shards}"], two[f"linear {shards}"], strict=True):
        assert row == pytest.approx(other, abs=1e-5)


def test_repeats_are_dropped_across_processes(results):
    assert sorted(results[1]["repeats"]) == [1, 2, 3, 5]


@pytest.mark.parametrize("size", [21, 5, 4, 1])
@pytest.mark.parametrize("explicit", [True, False])
def test_a_fit_scores_the_same_and_nothing_twice(results, size, explicit):
    one, two = (result[f"trained {size} {explicit}"] for result in results)
    assert one["queries"] == two["queries"] == [size, size]
    assert one["bank"] == two["bank"] == [205, 205]
    assert one["val/knn_top1"] == pytest.approx(two["val/knn_top1"], abs=1e-7)
    assert one["val/linear_top1"] == pytest.approx(two["val/linear_top1"], abs=1e-7)
    assert two["encoded here"] <= one["encoded here"] / 2 + 2


def test_every_callback_measures_the_same_and_writes_once(results):
    one, two = (result["everything"] for result in results)
    assert one["written"] == two["written"]
    names = [Path(path).name for path in one["written"] if "/export/" not in f"/{path}"]
    assert len(names) == len(set(names))
    assert set(names) >= {"feature_map.png", "training_curves.png", "report.html"}
    assert one["predicted"] == two["predicted"] == 21
    for name, value in one["measured"].items():
        assert value == pytest.approx(two["measured"][name], rel=1e-5), name
    assert one["scores"].keys() == two["scores"].keys()
    for row, scores in one["scores"].items():
        assert scores == pytest.approx(two["scores"][row], abs=1e-7), row


def test_what_needs_no_labels_is_the_same(results):
    one, two = (result["without labels"] for result in results)
    assert one.keys() == two.keys()
    for name, value in one.items():
        if name.startswith("encoded here"):  # two views of each image
            assert two[name] == value / 2 + value / 2 % 2
            continue
        assert value == pytest.approx(two[name], rel=1e-5), name
    assert one["infonce of 3"][0] > 0
