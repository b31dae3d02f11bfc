"""The objective does not wait for a GPU: seen with fake CUDA tensors, no GPU is needed."""

import pytest
import torch
from metaug.lightning_modules import (
    OUCL,
    AugmentationGenerator,
    InfoNCE,
    MarginRegularization,
    MetAugObjective,
)
from metaug.lightning_modules.objectives import pairs
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

ATEN = torch.ops.aten
READ = {ATEN._local_scalar_dense.default, ATEN.nonzero.default, ATEN.equal.default}
COPY = {ATEN._to_copy.default, ATEN.copy_.default}


class Waits(TorchDispatchMode):
    """Operations that read a GPU's values, and copies to it that are not asynchronous."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [each for each in args if isinstance(each, torch.Tensor)]
        devices = {tensor.device.type for tensor in tensors}
        if func in COPY and not kwargs.get("non_blocking"):
            devices.add(torch.device(kwargs.get("device") or tensors[0].device).type)
            if devices == {"cpu", "cuda"}:
                self.seen.append(str(func))
        elif func in READ and "cuda" in devices:
            self.seen.append(str(func))
        elif func is ATEN.index.Tensor and "cuda" in devices:
            # a list as an index: its tensor is made on the CPU and copied
            indices = [index for index in args[1] if index is not None]
            self.seen += [str(func) for index in indices if index.device.type == "cpu"]
        return func(*args, **kwargs)


@pytest.fixture(autouse=True)
def _own_row_numbers():
    """Fake row numbers are of no use to real tensors."""
    pairs._index_on.cache_clear()
    yield
    pairs._index_on.cache_clear()


def waits(contrast, composition: str, views: int = 3) -> list[str]:
    """Of a second evaluation: row numbers are made once a device, in the first."""
    objective = MetAugObjective(contrast, composition, margin=MarginRegularization())
    with FakeTensorMode(), torch.device("cuda"), torch.no_grad():
        generator = AugmentationGenerator(8, views, 16)
        features = torch.randn(6, views, 8)
        objective(features, generator)
        with Waits() as seen:
            objective(features, generator)
            objective(features, generator, rows=slice(2, 5))
    return seen.seen


@pytest.mark.parametrize("contrast", [OUCL(), OUCL(margin=0.25), InfoNCE()])
@pytest.mark.parametrize("composition", ["unified", "substituted", "anchored"])
def test_an_evaluation_does_not_wait(contrast, composition):
    assert waits(contrast, composition) == []


def test_lists_as_indices_would_be_seen(monkeypatch):
    monkeypatch.setattr(pairs, "_take", lambda values, rows: values[rows])
    assert waits(OUCL(), "unified")
