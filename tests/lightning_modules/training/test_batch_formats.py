"""Every accepted form of a batch gives the same views; others are refused with a description."""

from collections import namedtuple

import pytest
import torch
from metaug.lightning_modules.training.batch_formats import Batch, join, read_training_batch

VIEWS = [torch.rand(4, 1, 8, 8) for _ in range(2)]
INDEX, TARGET = torch.tensor([5, 3, 9, 0]), torch.tensor([1, 0, 1, 2])
MultiViewBatch = namedtuple("MultiViewBatch", ["views", "target", "index"])


@pytest.mark.parametrize(
    ("batch", "index"),
    [
        (MultiViewBatch(VIEWS, TARGET, INDEX), INDEX),
        ((VIEWS, TARGET), None),
        ([VIEWS, TARGET], None),
        ((tuple(VIEWS), TARGET), None),
        ((VIEWS, TARGET, ["a.png", "b.png", "c.png", "d.png"]), None),
        ((INDEX, VIEWS, TARGET), INDEX),
        ([INDEX, VIEWS, TARGET], INDEX),
        ({"views": VIEWS}, None),
        ({"views": VIEWS, "index": INDEX, "more": 1}, INDEX),
        ({"image": VIEWS, "label": TARGET}, None),
        # stable-pretraining
        ({"views": [{"image": view, "sample_idx": INDEX} for view in VIEWS]}, INDEX),
        ({"views": {"global_1": {"image": VIEWS[0]}, "local_1": {"image": VIEWS[1]}}}, None),
        (
            {
                "student": {"image": VIEWS[0], "sample_idx": INDEX},
                "teacher": {"image": VIEWS[1], "sample_idx": INDEX},
            },
            INDEX,
        ),
    ],
)
def test_accepted_forms(batch, index):
    found = read_training_batch(batch)
    assert all(a is b for a, b in zip(found.views, VIEWS, strict=True))
    assert found.index is index


@pytest.mark.parametrize(
    ("batch", "described"),
    [
        (VIEWS[0], r"got Tensor\[4, 1, 8, 8\]"),
        (VIEWS, r"got list\(Tensor\[4, 1, 8, 8\], Tensor\[4, 1, 8, 8\]\)"),
        ((VIEWS[0], TARGET), r"got tuple\(Tensor\[4, 1, 8, 8\], Tensor\[4\]\)"),
        (([], TARGET), r"got tuple\(list\(\), Tensor\[4\]\)"),
        (([VIEWS[0][0]], TARGET), r"got tuple\(list\(Tensor\[1, 8, 8\]\), Tensor\[4\]\)"),
        ({"picture": VIEWS}, r"got \{'picture': list\(Tensor"),
        ({"views": torch.stack(VIEWS)}, r"got \{'views': Tensor\[2, 4, 1, 8, 8\]\}"),
        ((1, 2, 3, VIEWS), "got tuple"),
        (None, "got NoneType"),
        ("ab", "got str"),
    ],
)
def test_other_forms_say_what_came_and_what_is_accepted(batch, described):
    with pytest.raises(TypeError, match=described) as caught:
        read_training_batch(batch)
    for accepted in (
        "MultiViewBatch",
        "(views, target)",
        "(index, views, target)",
        "{'views'",
        "'sample_idx'",
    ):
        assert accepted in str(caught.value)


def test_views_that_repeat_their_index():
    order = torch.tensor([0, 4, 1, 5, 2, 6, 3, 7])  # the views of an image side by side
    images = torch.cat(VIEWS)[order]
    batch = {
        "image": images,
        "label": TARGET.repeat(2)[order],
        "sample_idx": INDEX.repeat(2)[order],
    }
    found = read_training_batch(batch)
    rows = INDEX.argsort()
    assert torch.equal(found.index, INDEX[rows])
    assert all(torch.equal(a, b[rows]) for a, b in zip(found.views, VIEWS, strict=True))
    with pytest.raises(ValueError, match="one occurs 1 times and another 2 times; let the batch"):
        read_training_batch({key: value[:-1] for key, value in batch.items()})
    with pytest.raises(ValueError, match="at least 2 views of each instance, got 1"):
        read_training_batch({"image": VIEWS[0], "sample_idx": INDEX})
    with pytest.raises(TypeError, match=r"got \{'image': Tensor\[4, 1, 8, 8\], 'sample_idx'"):
        read_training_batch({"image": VIEWS[0], "sample_idx": INDEX[:2]})


def test_one_view_and_unequal_views():
    with pytest.raises(ValueError, match=r"at least 2 views of each instance, got 1; set"):
        read_training_batch((VIEWS[:1], TARGET))
    with pytest.raises(ValueError, match=r"same number of instances, got \[4, 3\]"):
        read_training_batch(([VIEWS[0], VIEWS[1][:3]], TARGET))


def test_join():
    halves = [
        Batch([view[rows] for view in VIEWS], INDEX[rows]) for rows in (slice(3), slice(3, 4))
    ]
    whole = join(halves)
    assert all(torch.equal(a, b) for a, b in zip(whole.views, VIEWS, strict=True))
    assert torch.equal(whole.index, INDEX)
    assert join([halves[0], Batch(halves[1].views, None)]).index is None
