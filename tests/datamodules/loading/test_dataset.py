import pytest
import torch
from metaug.datamodules import (
    ColorSpaceViews,
    DigitViews,
    MultiCropViews,
    SimCLRViews,
    TransformViews,
)
from metaug.datamodules.loading.dataset import EvaluationDataset, MultiViewDataset
from metaug.datamodules.loading.samplers import PADDING_INDEX, EvaluationSampler, TrainSampler
from metaug.datamodules.sources.image_source import InMemorySource
from torchvision.transforms import v2

FLIP_AND_JITTER = v2.Compose(
    [v2.RandomResizedCrop(16), v2.ColorJitter(0.4), v2.ToDtype(torch.float32, scale=True)]
)


def views_of(name):
    return {
        "simclr": lambda: SimCLRViews(blur=0.5, solarize=0.3),
        "lab": lambda: ColorSpaceViews(strength=0.5),
        "multi_crop": lambda: MultiCropViews(1, 2),
        "digits": lambda: DigitViews(num_views=3),
        "torchvision": lambda: TransformViews(FLIP_AND_JITTER),
    }[name]()


def collect(datamodule, epochs=2):
    """Views by (epoch, index)."""
    found = {}
    loader = datamodule.train_dataloader()
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        for batch in loader:
            for row, index in enumerate(batch.index.tolist()):
                found[epoch, index] = [view[row] for view in batch.views]
    return found


@pytest.mark.parametrize("views", ["simclr", "lab", "multi_crop", "digits", "torchvision"])
@pytest.mark.parametrize("edge", [16, 80])
def test_views_are_bit_identical_for_any_workers_and_processes(toy, monkeypatch, views, edge):
    arguments = {"instances": 24, "edge": edge}
    one = collect(toy(batch_size=12, num_workers=0, views=views_of(views), **arguments))
    two_workers = collect(toy(batch_size=12, num_workers=2, views=views_of(views), **arguments))

    two_processes = {}
    for rank in range(2):
        datamodule = toy(batch_size=6, num_workers=0, views=views_of(views), **arguments)
        ranks = "metaug.datamodules.loading.process.rank_and_world_size"
        monkeypatch.setattr(ranks, lambda trainer, rank=rank: (rank, 2))
        two_processes |= collect(datamodule)

    assert one.keys() == two_workers.keys() == two_processes.keys()
    assert len(one) == 48
    for key, expected in one.items():
        for a, b, c in zip(expected, two_workers[key], two_processes[key], strict=True):
            assert torch.equal(a, b)
            assert torch.equal(a, c)


def test_views_differ_between_views_epochs_seeds_and_images(toy):
    found = collect(toy(instances=8, batch_size=8, num_workers=0))
    other = collect(toy(instances=8, batch_size=8, num_workers=0, seed=1))
    assert not torch.equal(found[0, 3][0], found[0, 3][1])
    assert not torch.equal(found[0, 3][0], found[1, 3][0])
    assert not torch.equal(found[0, 3][0], other[0, 3][0])


def test_threads_do_not_change_views(toy):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = collect(toy(instances=2, edge=200, batch_size=2, num_workers=0), epochs=1)
        torch.set_num_threads(2)
        two = collect(toy(instances=2, edge=200, batch_size=2, num_workers=0), epochs=1)
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for key in one for a, b in zip(one[key], two[key], strict=True))


def test_one_item_equals_its_place_in_a_batch(toy):
    datamodule = toy(instances=8, batch_size=8)
    dataset = MultiViewDataset(datamodule.splits.train, datamodule.views, seed=0)
    batch = dataset.__getitems__([(5, 2), (5, 7)])
    views, target, index = dataset[5, 7]
    assert (target, index) == (batch.target[1], batch.index[1]) == (3, 7)
    assert all(torch.equal(a, b[1]) for a, b in zip(views, batch.views, strict=True))
    assert all(
        torch.equal(a, b)
        for a, b in zip(dataset[3][0], dataset[0, 3][0], strict=True)  # a bare index: epoch 0
    )


def test_evaluation_images_are_the_images_themselves():
    pixels = torch.arange(2 * 3 * 8 * 8, dtype=torch.int64).remainder(251).to(torch.uint8)
    source = InMemorySource(pixels.view(2, 3, 8, 8), torch.tensor([1, 0]), ["a", "b"])
    views = SimCLRViews(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    batch = EvaluationDataset(source, views, 8).__getitems__([1, 0])
    expected = (source.images[[1, 0]].double() / 255 - 0.5) / 0.25
    torch.testing.assert_close(batch.image.double(), expected, atol=1e-6, rtol=0)
    assert batch.target.tolist() == [0, 1]
    assert batch.index.tolist() == [1, 0]


def test_an_image_asked_for_again_has_no_label():
    images = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
    source = InMemorySource(images, torch.tensor([1, 0, 1]))
    dataset = EvaluationDataset(source, SimCLRViews(mean=(0.5,) * 3, std=(0.25,) * 3), 8)
    batch = dataset.__getitems__([2, PADDING_INDEX])
    assert batch.target.tolist() == [1, -1]
    assert batch.index.tolist() == [2, 0]
    assert torch.equal(batch.image[1], dataset.__getitems__([0]).image[0])


def test_samplers_are_left_alone_by_lightning(toy):
    from torch.utils.data.distributed import DistributedSampler

    assert issubclass(TrainSampler, DistributedSampler)
    assert issubclass(EvaluationSampler, DistributedSampler)
    datamodule = toy(batch_size=4)
    assert isinstance(datamodule.val_dataloader().sampler, EvaluationSampler)
    assert isinstance(datamodule.predict_dataloader().sampler, EvaluationSampler)
    assert isinstance(datamodule.bank_dataloader().sampler, EvaluationSampler)
