import pytest
import torch
from metaug.lightning_modules.evaluation.classifier import read_labeled

IMAGE, TARGET = torch.rand(2, 1, 4, 4), torch.tensor([3, -1])


def test_of_views_the_first_is_taken():
    images = read_labeled(([IMAGE, IMAGE + 1], TARGET, torch.tensor([8, 9])))
    assert torch.equal(images.value, IMAGE)
    assert images.labeled().index.tolist() == [8]


@pytest.mark.parametrize("batch", [IMAGE, (IMAGE,), (IMAGE, "a"), (IMAGE, TARGET.float())])
def test_labels_are_asked_for(batch):
    with pytest.raises(TypeError, match=r"with integer targets; the batch is a \w+ of Tensor"):
        read_labeled(batch)
