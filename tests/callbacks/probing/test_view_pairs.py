import torch
from metaug.callbacks.probing.view_pairs import ViewPairs, read_view_pairs
from metaug.datamodules import InMemorySource, SimCLRViews

IMAGES = torch.randint(0, 256, (11, 3, 8, 8), dtype=torch.uint8)
VIEWS = SimCLRViews(size=8)
CPU = torch.device("cpu")


def test_views_made_on_the_device_are_those_that_workers_make():
    given, made = (
        ViewPairs(InMemorySource(IMAGES), VIEWS, seed=3, raw=raw) for raw in (True, False)
    )
    images, index = given.__getitems__([7, 2])
    assert images.dtype == torch.uint8
    for one, other in zip(given.of(images, index), made.__getitems__([7, 2]), strict=True):
        assert torch.equal(one, other)


def test_batches_and_workers_change_nothing():
    pairs = ViewPairs(InMemorySource(IMAGES), VIEWS, seed=3)
    state = torch.get_rng_state()
    read = [
        [*read_view_pairs(pairs, 5, batch_size=size, num_workers=workers, device=CPU)]
        for size, workers in ((8, 0), (2, 0), (2, 1))
    ]
    assert torch.equal(state, torch.get_rng_state())
    whole, *others = ([torch.cat(part) for part in zip(*batches, strict=True)] for batches in read)
    assert whole[2].tolist() == [0, 2, 4, 6, 8]
    for parts in others:
        assert all(torch.equal(one, other) for one, other in zip(whole, parts, strict=True))


def test_a_batch_of_unreadable_images_is_passed_over():
    unreadable = torch.arange(11) < 4
    pairs = ViewPairs(InMemorySource(IMAGES, unreadable=unreadable), VIEWS, seed=3)
    read = [*read_view_pairs(pairs, 11, batch_size=3, num_workers=0, device=CPU)]
    assert [pair.index.tolist() for pair in read] == [[4, 5], [6, 7, 8], [9, 10]]
    assert [len(pair.first) for pair in read] == [2, 3, 2]
