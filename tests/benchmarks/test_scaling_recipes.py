"""What the recipes' table counts."""

import pytest
from metaug.lightning_modules import Encoder
from torch import zeros
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.scaling import recipes
from metaug.shipped_configs import shipped_configs


def test_a_step_is_three_forward_passes_of_its_views():
    encoder = Encoder("resnet18", small_images=True, projection_dim=128).eval()
    with FlopCounterMode(display=False) as counter:
        encoder([zeros(1, 3, 32, 32)])
    cost = recipes.count("cifar10")
    views = 2 * cost.batch
    # a backward pass costs two; none to the images
    assert cost.flops == pytest.approx(3 * views * counter.get_total_flops(), rel=0.02)
    assert cost.parameters == sum(each.numel() for each in encoder.parameters())
    assert 1.0 < cost.gibibytes < 1.6  # 1.39 on an H100


def test_every_recipe_of_a_published_data_set_is_counted():
    published = {
        name.removesuffix(".yaml")
        for name, path in shipped_configs().items()
        if "/" not in name and "ImageFolderDataModule" not in path.read_text()
    }
    assert set(recipes.IMAGES) == published - {"digits"}
