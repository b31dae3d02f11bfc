"""Double precision on a device without it: on the CPU. No such device is needed."""

import torch
from metaug.lightning_modules.evaluation.linear_heads import held_out_mask
from metaug.lightning_modules.evaluation.precision import in_double


class OnMps:
    """Stands for a tensor on Apple's GPU, which refuses float64."""

    device = torch.device("mps")

    def double(self):
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype")

    def cpu(self):
        return torch.ones(2)


def test_values_of_mps_become_double_on_the_cpu():
    assert in_double(OnMps()).dtype == torch.float64
    assert in_double(torch.ones(2)).dtype == torch.float64


def test_the_mask_of_held_out_images_is_made_of_integers():
    index = torch.arange(2000)
    mixed = (index * 2654435761 + 1013904223) % 2**32
    mixed = ((mixed ^ (mixed >> 15)) * 2246822519) % 2**32
    for fraction in (0.0, 0.1, 0.2, 1 / 3, 0.999):
        expected = mixed.double() / 2**32 < fraction
        assert torch.equal(held_out_mask(index, fraction), expected)
