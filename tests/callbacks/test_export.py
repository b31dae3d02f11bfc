import re

import pytest
import torch
from metaug.callbacks import Export, KNNProbe, LinearProbe

from .probing.test_probe import TRAIN, VALIDATION, fit, probes
from .test_with_metaug import fit as fit_metaug
from .tiny import loader, quiet_trainer, tiny_module


def test_the_callback_writes_weights_and_card_with_scores(tmp_path):
    export = Export()
    _, module = fit_metaug(tmp_path, [KNNProbe(k=5), LinearProbe(), export])
    folder = tmp_path / "lightning_logs" / "version_0" / "export"
    assert export.written == [folder / "model.safetensors"]
    card = (folder / "README.md").read_text()
    assert re.search(r"val/knn_top1 \(epoch 1\) \| \d+\.\d\d %", card)
    assert "DigitsDataModule" in card
    from safetensors.torch import load_file

    saved = load_file(export.written[0])
    for name, value in module.encoder.backbone.state_dict().items():
        assert torch.equal(saved[name], value)


def test_a_foreign_modules_backbone_is_found(tmp_path):
    export = Export()
    fit(tmp_path, [*probes(), export])
    assert export.written == [tmp_path / "export" / "model.safetensors"]
    assert "build your own module" in (tmp_path / "export" / "README.md").read_text()


def test_no_backbone_is_an_error_before_training(tmp_path):
    with pytest.raises(ValueError, match=r"no submodule 'trunk'.*backbone, head"):
        fit(tmp_path, [Export(backbone="trunk")])


def test_another_timm_model_is_an_error_before_training(tmp_path):
    trainer = quiet_trainer(tmp_path, callbacks=[Export(architecture="resnet18")])
    with pytest.raises(ValueError, match=r"not timm's 'resnet18' with .*architecture_args="):
        trainer.fit(tiny_module(), loader(TRAIN), loader(VALIDATION))
    assert trainer.global_step == 0
