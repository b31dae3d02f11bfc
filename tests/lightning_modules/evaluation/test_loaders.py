import torch
from metaug.lightning_modules.evaluation.labeled import Labeled
from metaug.lightning_modules.evaluation.loaders import FeatureLoader, evaluation_loader
from torch.utils.data import DataLoader, Subset

from tests.callbacks.tiny import digits, loader


def test_a_subset_sampler_keeps_its_subset():
    sampler = torch.utils.data.SubsetRandomSampler([5, 3, 8])
    found = evaluation_loader(DataLoader(digits(0, 20), 2, sampler=sampler))
    assert list(found.sampler) == [3, 5, 8]


def test_a_subset_of_a_data_set_is_whole():
    found = evaluation_loader(loader(Subset(digits(0, 20), [5, 3, 8]), shuffle=True))
    assert len(found.dataset) == len(found.sampler) == 3


def cached(images: int) -> Labeled:
    index = torch.arange(images)
    return Labeled(index[:, None].float(), index % 3, index)


def test_cached_features_come_in_order_and_none_is_left_out():
    batches = list(FeatureLoader(cached(10), 4))
    assert [batch.index.tolist() for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_shuffled_features_are_shared_by_processes_without_repeats():
    features, epoch = cached(23), [0]
    loaders = [
        FeatureLoader(features, 4, epoch=lambda: epoch[0], seed=1, rank=rank, world_size=2)
        for rank in range(2)
    ]
    one = FeatureLoader(features, 8, epoch=lambda: epoch[0], seed=1)
    orders = []
    for epoch[0] in range(2):
        assert [len(loader) for loader in (*loaders, one)] == [2, 2, 2]
        for first, second, both in zip(*loaders, one, strict=True):
            assert sorted([*first.index, *second.index]) == sorted(both.index)
            assert torch.equal(first.target, first.index % 3)
        orders.append(torch.cat([batch.index for batch in one]).tolist())
    assert orders[0] != orders[1]
    assert len(set(orders[0])) == 16
