"""BatchNorm over all processes: on one it is torch's; the sums of a second one are given."""

import pytest
import timm
import torch
import torch.distributed as dist
from metaug.lightning_modules.distributed.batch_norm import (
    DistributedBatchNorm,
    synchronize_batch_norm,
)
from torch import nn

from ..tiny import backbone


def trained(norm: nn.Module) -> nn.Module:
    """The layer with statistics and parameters that are not the initial ones."""
    torch.manual_seed(1)
    for _ in range(2):
        norm(1 + 2 * torch.randn(6, 3, 4, 4, dtype=torch.float64))
    with torch.no_grad():
        norm.weight.uniform_(0.5, 1.5)
        norm.bias.normal_()
    return norm


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("settings", [{}, {"momentum": None}, {"track_running_stats": False}])
def test_one_process_is_torchs(training, settings):
    plain = trained(nn.BatchNorm2d(3, **settings).double()).train(training)
    ours = DistributedBatchNorm(3, **settings).double().train(training)
    ours.load_state_dict(plain.state_dict())
    image = torch.randn(5, 3, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(ours(image), plain(image), rtol=0, atol=0)
    for name, buffer in plain.named_buffers():
        assert torch.equal(ours.get_buffer(name), buffer)


@pytest.fixture
def two_processes(monkeypatch):
    """This process is rank 0 of two; what rank 1 would add to a sum is set beforehand."""
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda *args: 2)
    monkeypatch.setattr(dist, "get_rank", lambda *args: 0)
    theirs: list[torch.Tensor] = []

    def all_reduce(values, *args, **kwargs):
        values.add_(theirs[0])

    monkeypatch.setattr(dist, "all_reduce", all_reduce)
    return theirs


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2), (4, 3, 2, 2)])
def test_half_a_batch_with_the_sums_of_the_other_half(shape, momentum, two_processes):
    kind = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[len(shape)]
    plain = kind(3, momentum=momentum).double()
    ours = DistributedBatchNorm(3, momentum=momentum).double()
    for _ in range(2):
        whole = 3 + torch.randn(shape, dtype=torch.float64)
        other = whole[2:].transpose(0, 1).flatten(1)
        mean = other.mean(1)
        spread = (other - mean[:, None]).square().sum(1)
        count = torch.tensor([other.shape[1]], dtype=torch.float64)
        row = torch.cat([count, mean, spread])
        two_processes[:] = [torch.stack([torch.zeros_like(row), row])]
        torch.testing.assert_close(ours(whole[:2]), plain(whole)[:2])
        torch.testing.assert_close(ours.running_mean, plain.running_mean)
        torch.testing.assert_close(ours.running_var, plain.running_var)
        assert ours.num_batches_tracked == plain.num_batches_tracked


@pytest.mark.parametrize("native", [True, False])
def test_conversion_keeps_parameters_and_modes(native):
    model = backbone(norm=True)
    norm = model[1].eval()
    before = model.state_dict()
    assert synchronize_batch_norm(model, native=native) is model
    kind = nn.SyncBatchNorm if native else DistributedBatchNorm
    assert type(model[1]) is kind  # the module moves to its device after the conversion
    assert model[1].weight is norm.weight
    assert not model[1].training
    assert model[0].training
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert synchronize_batch_norm(model, native=native)[1] is model[1]


def test_conversion_of_timms_norm_with_activation():
    model = timm.create_model(
        "densenet121", num_classes=0, growth_rate=4, block_config=(1, 1, 1, 1)
    )
    image = torch.randn(2, 3, 32, 32)
    expected = model.eval()(image)
    synchronize_batch_norm(model, native=False)
    kinds = {
        type(each) for each in model.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)
    }
    assert kinds == {DistributedBatchNorm}
    torch.testing.assert_close(model(image), expected)


@pytest.mark.parametrize("native", [True, False])
def test_conversion_of_a_single_layer_and_of_torchs_own(native):
    kind = nn.SyncBatchNorm if native else DistributedBatchNorm
    for layer in (nn.BatchNorm1d(3), nn.SyncBatchNorm(3)):
        assert type(synchronize_batch_norm(layer, native=native)) is kind


@pytest.mark.parametrize("native", [True, False])
def test_a_norm_with_a_forward_of_its_own_is_refused(native):
    class Scaled(nn.BatchNorm2d):
        def forward(self, input):
            return 2 * super().forward(input)

    with pytest.raises(ValueError, match="Scaled has a forward of its own"):
        synchronize_batch_norm(nn.Sequential(Scaled(3)), native=native)


def test_too_few_dimensions():
    with pytest.raises(ValueError, match="at least 2 dimensions, got 1"):
        DistributedBatchNorm(3)(torch.zeros(3))
