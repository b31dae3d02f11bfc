import pytest
import torch
from metaug.datamodules import EvaluationSampler, TrainSampler
from metaug.datamodules.loading.samplers import PADDING_INDEX


def batches(sampler, size):
    keys = [key.index for key in sampler]
    return [keys[start : start + size] for start in range(0, len(keys), size)]


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_see_together_what_one_process_sees(world_size):
    data = range(50)
    one = batches(TrainSampler(data, batch_size=12, seed=3), 12)
    size = 12 // world_size
    many = [
        batches(TrainSampler(data, batch_size=size, seed=3, rank=rank, world_size=world_size), size)
        for rank in range(world_size)
    ]
    assert len(one) == 4  # whole batches only
    for number, batch in enumerate(one):
        shares = [ranks[number] for ranks in many]
        for rank, share in enumerate(shares):
            assert share == batch[rank::world_size]


def test_keys_carry_the_epoch_and_orders_differ():
    sampler = TrainSampler(range(20), batch_size=4)
    first = list(sampler)
    sampler.set_epoch(7)
    second = list(sampler)
    assert {key.epoch for key in first} == {0}
    assert {key.epoch for key in second} == {7}
    assert [key.index for key in first] != [key.index for key in second]
    assert sorted(key.index for key in second) == list(range(20))


def test_skips_what_is_done_and_keeps_its_length():
    sampler = TrainSampler(range(20), batch_size=4)
    whole = list(sampler)
    sampler.first_batch = 3
    assert list(sampler) == whole[12:]
    assert len(sampler) == 20


def test_batch_larger_than_the_data_set():
    with pytest.raises(ValueError, match=r"needs 32 training images, but there are 20.*at most 10"):
        TrainSampler(range(20), batch_size=16, world_size=2)


def evaluation_shards(count, world_size):
    return [
        list(EvaluationSampler(range(count), rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]


@pytest.mark.parametrize(("count", "world_size"), [(21, 2), (20, 3), (2, 2)])
def test_evaluation_shards_have_no_padding_and_no_repeats(count, world_size):
    shards = evaluation_shards(count, world_size)
    assert sorted(index for shard in shards for index in shard) == list(range(count))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_a_process_without_an_image_gets_the_first_again():
    assert evaluation_shards(1, 3) == [[0], [PADDING_INDEX], [PADDING_INDEX]]
    assert evaluation_shards(0, 2) == [[], []]


def test_the_order_is_drawn_without_the_global_random_state():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(TrainSampler(range(20), batch_size=4))
    assert torch.equal(torch.get_rng_state(), before)
