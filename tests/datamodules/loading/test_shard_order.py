import pytest
import torch
from metaug.datamodules import TrainSampler
from metaug.datamodules.loading.shard_order import ShardOrder

SHARDS = torch.arange(10).repeat_interleave(torch.arange(5, 105, 10))


def made(buffer, seed=0):
    return ShardOrder(SHARDS, buffer)(torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("buffer", [1, 7, 10_000])
def test_every_image_once(buffer):
    assert made(buffer).sort().values.tolist() == list(range(len(SHARDS)))


def test_without_a_buffer_whole_shards_follow_each_other():
    order = made(1)
    turns = SHARDS[order].unique_consecutive()
    assert sorted(turns.tolist()) == list(range(10))
    assert turns.tolist() != list(range(10))
    for shard in range(10):
        inside = order[SHARDS[order] == shard]
        assert inside.tolist() == sorted(inside.tolist())


def test_an_image_moves_by_fewer_places_than_the_buffer_has():
    moved = made(32)
    place_in_turn = torch.empty_like(moved)
    place_in_turn[made(1)] = torch.arange(len(moved))  # the same turns of the shards
    distance = (place_in_turn[moved] - torch.arange(len(moved))).abs()
    assert 16 < distance.max() < 32


def test_orders_differ_by_seed():
    assert made(32).tolist() == made(32).tolist()
    assert made(32).tolist() != made(32, seed=1).tolist()


def test_a_sampler_takes_it_in_every_epoch():
    def epoch(number, rank=0, world_size=1):
        sampler = TrainSampler(
            SHARDS, batch_size=12 // world_size, rank=rank, world_size=world_size, seed=3
        )
        sampler.order = ShardOrder(SHARDS, 16)
        sampler.set_epoch(number)
        return [key.index for key in sampler]

    one = epoch(1)
    assert len(set(one)) == len(one) == len(SHARDS) // 12 * 12
    assert one != epoch(0)
    assert one[0::2] == epoch(1, 0, 2)
    assert one[1::2] == epoch(1, 1, 2)
