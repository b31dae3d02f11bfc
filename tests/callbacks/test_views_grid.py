import pytest
import torch
from metaug.callbacks.views_grid import draw_views, picture


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_pictures_are_rgb_in_range(channels):
    shown = picture(torch.randn(channels, 5, 4))
    assert shown.shape == (5, 4, 3)
    assert 0 <= shown.min() <= shown.max() <= 1


def test_pictures_in_range_are_shown_as_they_are():
    image = torch.rand(3, 4, 4) * 0.5
    assert torch.equal(torch.tensor(picture(image)), image.permute(1, 2, 0))


def test_views_have_a_row_each_below_the_image():
    views = [[torch.rand(1, 4, 4) for _ in range(3)] for _ in range(5)]
    assert len(draw_views(views).axes) == 15
    assert len(draw_views(views, [torch.rand(1, 4, 4)] * 5).axes) == 20
