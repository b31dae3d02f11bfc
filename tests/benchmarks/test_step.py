"""The step benchmark: the counted work of every engine, memory against arithmetic, the report."""

import json
import sys
from argparse import Namespace
from dataclasses import replace

import pytest
import torch
from metaug.lightning_modules.meta_gradient.kernels.batch_norm_tangent import Normalization

pytest.importorskip("lightly", reason="what is compared with: pip install '.[benchmark]'")

from benchmarks.memory import AllocatedMemory
from benchmarks.step import __main__ as command, complexity, kernels, variants
from benchmarks.step.running import OneBatch, count_flops
from benchmarks.step.variants import SETTINGS, Setting, build

pytestmark = pytest.mark.filterwarnings("default")  # a user's run, whose warnings are not errors


@pytest.fixture(scope="module")
def work():
    """FLOPs of a step with ResNet-18 at 32 pixels, as ratios to lightly's SimCLR."""
    setting = SETTINGS["resnet18-32"]
    names = ("lightly", "oucl", "first_order", "lookahead", "exact")
    counted = {
        name: count_flops(build(name, setting), OneBatch(2, 32, 1, "cpu"), "32-true", "cpu")
        for name in names
    }
    return {name: value / counted["lightly"] for name, value in counted.items()}


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("oucl", 0.99, 1.01),
        ("first_order", 1.3, 1.36),
        ("lookahead", 1.3, 1.36),
        ("exact", 2.6, 2.8),
    ],
)
def test_an_engine_works_no_more_than_its_cost_model_says(work, name, least, most):
    """A plain step is 3 encoder forwards; lookahead adds 1, exact 3 and a tangent pass of 2."""
    assert least < work[name] < most


def test_allocated_memory_is_the_peak_of_living_tensors():
    with AllocatedMemory() as memory:
        first = torch.zeros(2**18)  # 1 MiB
        second = first + 1
        view = second.view(2, -1)
        del first, second
        third = torch.ones(2**18)
        assert view.numel() == third.numel()
    assert memory.peak == 2


def test_a_report_of_the_papers_setting(tmp_path, monkeypatch, capsys):
    small = replace(SETTINGS["alexnet-lab-224"], size=64, variants=("oucl", "exact/2"))
    monkeypatch.setitem(variants.SETTINGS, "alexnet-lab-224", small)
    monkeypatch.setattr(command, "HERE", tmp_path)
    monkeypatch.setattr(variants, "NUM_INSTANCES", 64)

    def in_this_process(arguments, name):
        capsys.readouterr()
        command.measure_memory(arguments, name)
        return json.loads(capsys.readouterr().out)

    monkeypatch.setattr(command, "memory_in_own_process", in_this_process)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    words = ["step", "--setting", "alexnet-lab-224", "--batch", "2", "--rounds", "1"]
    monkeypatch.setattr(sys, "argv", words)
    command.main()
    report = next((tmp_path / "reports").glob("*-alexnet-lab-224-batch2-cpu.md")).read_text()
    rows = [line.split("|")[1:-1] for line in report.splitlines() if line.startswith("| ")]
    table = {row[0].strip(): [each.strip() for each in row[1:]] for row in rows}
    assert table["oucl"][:6] == ["1.00", "1.00 to 1.00", "1.00", "1.00", "1.00", "1.00"]
    # a plain step and one of about 2.7
    assert 1.7 < float(table["exact/2"][3]) < 1.9
    assert float(table["exact/2"][4]) > 1.05
    assert next((tmp_path / "reports").glob("*.png")).stat().st_size > 5_000


def test_complexity_is_the_slope_of_the_logarithms():
    assert complexity.exponent([1, 10, 20, 40], [9.0, 2.0, 8.0, 32.0]) == pytest.approx(2)
    assert set(complexity.CURVES) <= set(complexity.Size.__dataclass_fields__)
    complexity.prepare(complexity.Size(4, 2, 8, 16, 8, 32))()


def test_the_product_cache_saves_a_product_of_nine():
    """The tangent costs two products a layer with it and three without it."""
    setting = SETTINGS["resnet18-32"]
    counted = {}
    for name, switched in kernels.VARIANTS.items():
        with switched():
            data = OneBatch(2, 32, 1, "cpu")
            counted[name] = count_flops(build("exact", setting), data, "32-true", "cpu")
    base = counted["all rules"]
    assert 1.07 < counted["without the product cache"] / base < 1.1
    assert counted["without BatchNorm's rule"] == base
    without_cache = counted["without the product cache"]
    assert counted["without any"] == pytest.approx(without_cache, rel=1e-3)


def test_rules_take_turns_and_all_are_on_again(monkeypatch):
    cached, dual = kernels.tangent_rules.ProductCache.__torch_function__, Normalization.dual
    monkeypatch.setitem(variants.SETTINGS, "small", Setting("test_resnet", 16, True))
    times = kernels.time_steps("exact", Namespace(setting="small", batch=2, rounds=2))
    assert {name: len(seconds) for name, seconds in times.items()} == dict.fromkeys(
        kernels.VARIANTS, 2
    )
    assert all(second > 0 for seconds in times.values() for second in seconds)
    assert kernels.tangent_rules.ProductCache.__torch_function__ is cached
    assert Normalization.dual is dual
