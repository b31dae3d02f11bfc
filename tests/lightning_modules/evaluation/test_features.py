import random

import numpy as np
import pytest
import torch
from metaug.callbacks import Features, extract
from metaug.lightning_modules.evaluation.features import pool
from torch.utils.data import DataLoader, TensorDataset

from tests.callbacks.tiny import digits, loader, quiet_trainer, tiny_module


def attached(tmp_path):
    module = tiny_module()
    trainer = quiet_trainer(tmp_path)
    trainer.strategy.connect(module)
    return trainer, module


def random_state():
    return torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()


def test_encodes_in_evaluation_mode_whatever_the_order_of_the_loader(tmp_path):
    trainer, module = attached(tmp_path)
    data = digits(0, 130)
    found = extract(trainer, module, DataLoader(data, 64, shuffle=True, drop_last=True))
    with torch.no_grad():
        expected = module.eval()(data.tensors[0])
    torch.testing.assert_close(found.value, expected)
    assert torch.equal(found.index, torch.arange(130))
    assert torch.equal(found.target, data.tensors[1])


def test_modes_and_random_state_are_restored(tmp_path):
    trainer, module = attached(tmp_path)
    module.train()
    module.backbone[1].eval()  # a frozen BatchNorm
    modes = [submodule.training for submodule in module.modules()]
    before = random_state()
    statistics = module.backbone[1].running_mean.clone()

    class Noisy(TensorDataset):
        def __getitem__(self, index):
            torch.rand(1), np.random.rand(), random.random()
            return super().__getitem__(index)

    extract(trainer, module, loader(Noisy(*digits(0, 70).tensors), shuffle=True))
    after = random_state()
    assert modes == [submodule.training for submodule in module.modules()]
    assert torch.equal(module.backbone[1].running_mean, statistics)
    assert torch.equal(before[0], after[0])
    assert (before[1] == after[1]).all()
    assert before[2] == after[2]


def test_modes_are_restored_after_an_error(tmp_path):
    trainer, module = attached(tmp_path)
    module.train()
    with pytest.raises(RuntimeError):
        extract(trainer, module, loader(TensorDataset(torch.zeros(4, 5, 8, 8), torch.zeros(4))))
    assert module.training


def test_precision_of_the_trainer_is_used(tmp_path):
    module = tiny_module()
    trainer = quiet_trainer(tmp_path, precision="bf16-mixed")
    trainer.strategy.connect(module)
    found = extract(trainer, module, loader(digits(0, 20)))
    with torch.no_grad():
        full = module.eval()(digits(0, 20).tensors[0])
    assert found.value.dtype == torch.float32
    assert not torch.equal(found.value, full)
    torch.testing.assert_close(found.value, full, rtol=0.05, atol=0.05)


def test_repeats_are_dropped_by_index():
    value = torch.arange(6.0)[:, None]
    part = Features(value, torch.arange(6), torch.tensor([4, 2, 4, 0, 2, 9]))
    found = pool([part], torch.device("cpu"))
    assert found.index.tolist() == [0, 2, 4, 9]
    assert found.value[:, 0].tolist() == [3, 1, 0, 5]


def test_features_in_order_are_held_twice_at_most(monkeypatch):
    monkeypatch.delattr(Features, "take")  # makes a third copy
    parts = [Features(torch.zeros(2, 3), torch.zeros(2), torch.arange(2) + k) for k in (0, 2, 4)]
    assert pool(parts, torch.device("cpu")).index.tolist() == list(range(6))
    assert parts == []


def test_nothing_is_dropped_without_an_index():
    part = Features(torch.zeros(3, 2), torch.zeros(3), torch.tensor([-1, -1, -1]))
    assert pool([part, part], torch.device("cpu")).index.tolist() == list(range(6))


def test_other_representations_are_named_with_a_cure(tmp_path):
    trainer, module = attached(tmp_path)
    with pytest.raises(TypeError, match=r"tuple.*forward"):
        extract(trainer, module, loader(digits(0, 4)), encode=lambda image: (image, image))
