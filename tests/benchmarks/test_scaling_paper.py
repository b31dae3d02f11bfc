"""What the paper page counts: work, messages and bytes of one process among many."""

import pytest
import torch
import torch.distributed as dist
from metaug.lightning_modules import MarginRegularization, MetAugObjective

from benchmarks.scaling import paper
from benchmarks.scaling.counting import Work, count_encoder, count_head
from benchmarks.traffic import Traffic

SMALL = {"backbone": "resnet10t", "size": 32}


def test_work_of_a_product_of_views_and_of_what_is_repeated():
    with Work() as work:
        torch.ones(3, 5) @ torch.ones(5, 7)
    # the two that are made, and the product's operands and result
    assert (work.flops, work.bytes) == (2 * 3 * 5 * 7, 4 * (2 * (15 + 35) + 21))
    row = torch.ones(1, 5)
    with Work() as work:
        wide = row.expand(100, 5)
    assert work.bytes == 0
    with Work() as work:
        wide.exp()
    assert work.bytes == 4 * (5 + 500)


@pytest.mark.parametrize(
    ("engine", "norms_per_layer", "gathers", "reductions"),
    [
        ("oucl", 2, 1, 1),  # a pass and its backward pass
        ("lookahead", 3, 2, 1),
        ("exact", 6, 3, 2),  # two passes with backward passes, and a pass with its tangent
    ],
)
def test_messages_of_a_step(engine, norms_per_layer, gathers, reductions):
    count = count_encoder(engine, world=4, batch=2, **SMALL)
    norms = count.sums["all-reduce" if engine == "exact" else "BatchNorm"]
    assert norms.messages == norms_per_layer * count.layers
    assert count.sums["all-gather"].messages == gathers
    assert count.sums["all-gather"].bytes == gathers * 2 * 2 * 128 * 4
    assert count.sums["gradients"].bytes == reductions * 4 * count.parameters
    assert not dist.is_initialized()
    alone = count_encoder(engine, world=1, batch=2, **SMALL)
    assert alone.sums == {}
    assert alone.flops == pytest.approx(count.flops, rel=0.05)  # the generator sees G instances


def test_every_process_evaluates_all_pairs():
    few, many = (count_head("lookahead", world, batch=64) for world in (4, 8))
    assert 2.5 < many.flops / few.flops <= 4
    assert 2.5 < many.bytes / few.bytes <= 4
    assert many.blocks == 1
    counts = [count_head(engine, 4, batch=64) for engine in ("oucl", "lookahead", "exact")]
    assert counts == sorted(counts, key=lambda count: count.bytes)


def test_nothing_without_values_stays_behind():
    torch.manual_seed(0)
    features = torch.nn.functional.normalize(torch.randn(64, 2, 8), dim=-1)
    objective = MetAugObjective(margin=MarginRegularization())
    before = objective(features, lambda values: values.roll(1, 0)).inner
    count_head("exact", 4, batch=16)
    assert torch.equal(objective(features, lambda values: values.roll(1, 0)).inner, before)


def test_traffic_of_real_collectives_is_counted_and_sent(tmp_path):
    dist.init_process_group("gloo", f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        values, rows = torch.ones(6), [torch.zeros(6)]
        with Traffic() as traffic:
            dist.all_gather(rows, values)
            dist.all_reduce(values)
            dist.all_reduce(values, async_op=True).wait()
        dist.all_reduce(values)
    finally:
        dist.destroy_process_group()
    assert torch.equal(rows[0], torch.ones(6))
    assert {kind: (each.messages, each.bytes) for kind, each in traffic.sums.items()} == {
        kind: (1, 24) for kind in ("all-gather", "all-reduce", "gradients")
    }
    assert (traffic.total.messages, traffic.total.bytes) == (3, 72)


def test_times_follow_from_the_rates():
    one, four = paper.Machine(1), paper.Machine(4)
    assert one.all_reduce_ms(112e6) == pytest.approx(2 * 7 / 8 * 112e6 / 300e9 * 1e3)
    between = 2 * 3 / 4 * 112e6 / 11e9 * 1e3
    assert four.all_reduce_ms(112e6) == pytest.approx(one.all_reduce_ms(112e6) + between)
    assert four.all_gather_ms(1e6) == pytest.approx(7 / 300 + 24 / 11)
    assert (one.world, four.world) == (8, 32)
    assert one.latency < four.latency


def test_the_tables(capsys):
    lines = paper.tables([1, 2], 2, **SMALL)
    assert [line for line in lines if "GPUs," in line][1].startswith("| 2 nodes × 8 GPUs, 2 inst")
    rows = {line.split(" | ")[0]: line.split(" | ")[1:] for line in lines}
    assert rows["| global batch G"] == ["32", "32", "32 |"]
    assert rows["| features: messages"] == ["1", "2", "3 |"]
    assert rows["| gradients: all-reduces of the whole"] == ["1", "1", "2 |"]
    assert capsys.readouterr().out.count("global batch") == 2
