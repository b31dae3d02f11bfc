import pytest
import pytorch_lightning as pl
import torch
from metaug.callbacks import CompileBackbone
from torch import nn

from .tiny import ValidatedModule, digits, loader, quiet_trainer, tiny_module


def trained(folder, *callbacks: pl.Callback) -> dict[str, torch.Tensor]:
    module = tiny_module(ValidatedModule)
    trainer = quiet_trainer(folder, callbacks=list(callbacks), max_epochs=1)
    torch.manual_seed(0)  # of the dropout masks
    trainer.fit(module, loader(digits(0, 128)), loader(digits(128, 192)))
    return module.state_dict()


def test_the_backbone_runs_compiled_and_learns_the_same(tmp_path):
    from torch._dynamo.testing import CompileCounter  # takes seconds to import

    torch.compiler.reset()
    counter = CompileCounter()
    compiled = trained(tmp_path, CompileBackbone(backend=counter))
    assert counter.frame_count > 0
    plain = trained(tmp_path)
    assert list(compiled) == list(plain)
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value)


class WithoutBackbone(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(2, 2)


def test_a_module_without_a_backbone_is_an_error():
    with pytest.raises(ValueError, match=r"WithoutBackbone has no module named backbone"):
        CompileBackbone().setup(pl.Trainer(logger=False), WithoutBackbone(), "fit")
