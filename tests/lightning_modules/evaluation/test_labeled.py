import pytest
import torch
from metaug.lightning_modules.evaluation.labeled import Labeled, count_classes, read_batch


@pytest.mark.parametrize(
    ("batch", "target", "index"),
    [
        (torch.zeros(2, 1, 4, 4), [-1, -1], [-1, -1]),
        ((torch.zeros(2, 1, 4, 4), torch.tensor([3, 1])), [3, 1], [-1, -1]),
        ([torch.zeros(2, 1, 4, 4), torch.tensor([3, 1]), torch.tensor([8, 9])], [3, 1], [8, 9]),
        ((torch.zeros(2, 1, 4, 4), torch.tensor([3, 1]), ["a.png", "b.png"]), [3, 1], [-1, -1]),
        ({"image": torch.zeros(2, 1, 4, 4), "label": torch.tensor([3, 1])}, [3, 1], [-1, -1]),
    ],
)
def test_batch_forms(batch, target, index):
    images = read_batch(batch)
    assert images.value.shape == (2, 1, 4, 4)
    assert images.target.tolist() == target
    assert images.index.tolist() == index


def test_the_index_of_the_loader_stands_in_for_a_missing_one():
    image, index = torch.zeros(2, 1, 4, 4), torch.tensor([8, 9])
    assert read_batch(image, index).index.tolist() == [8, 9]
    own = (image, torch.tensor([3, 1]), torch.tensor([4, 5]))
    assert read_batch(own, index).index.tolist() == [4, 5]


def test_other_batches_are_named_with_a_cure():
    with pytest.raises(TypeError, match=r"list.*queries="):
        read_batch(([torch.zeros(2, 1, 4, 4)] * 2, torch.tensor([0, 1])))


def test_the_labeled_part_and_the_number_of_classes():
    part = Labeled(torch.eye(4), torch.tensor([-1, 2, 0, -1]), torch.arange(4))
    assert part.labeled().index.tolist() == [1, 2]
    assert count_classes(part) == 3
    assert count_classes(part, part._replace(target=torch.tensor([6, 1, 1, 1]))) == 7
    assert count_classes(part.take(part.target < 0)) == 0


def test_gathering_puts_images_in_the_order_of_their_index():
    part = Labeled(torch.eye(3), torch.tensor([5, 6, 7]), torch.tensor([8, -1, 2]))
    assert part.gathered().target.tolist() == [6, 7, 5]
