import pytest
import pytorch_lightning as pl
import torch
from metaug.callbacks import KNNProbe, LinearProbe, Report, Summary
from metaug.callbacks.artifacts.score_table import AT_START, RAW, TRAINED, UNTRAINED, score_table
from metaug.callbacks.summary import raw_pixels
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from torch import nn

from .probing.test_probe import TRAIN, VALIDATION, fit, probes
from .tiny import digits, loader, quiet_trainer, tiny_module


def test_baselines_are_measured_before_training_and_printed(tmp_path, capsys):
    summary, watched = Summary(), probes()
    module = tiny_module()
    trainer = quiet_trainer(
        tmp_path, callbacks=[summary, *watched, Report()], logger=CSVLogger(tmp_path)
    )
    with torch.no_grad():
        untrained = LinearProbe(bank=loader(TRAIN))
        module.eval()
        features = [module(data.tensors[0]) for data in (TRAIN, VALIDATION)]
        module.train()
    untrained.head.fit(features[0], TRAIN.tensors[1], 10)
    right = untrained.head.logits(features[1]).argmax(1) == VALIDATION.tensors[1]
    trainer.fit(module, loader(TRAIN), loader(VALIDATION))
    assert summary.scores[UNTRAINED]["val/linear_top1"] == pytest.approx(
        right.float().mean().item()
    )
    assert summary.scores[TRAINED]["val/knn_top1"] == watched[0].scores["val/knn_top1"]
    printed = capsys.readouterr().out
    table = printed[printed.index("Probe scores") :]
    assert max(len(line) for line in table.splitlines()) <= 80
    assert "trained encoder" in table
    assert "lightning_logs" in table
    assert "report.html" in table


def test_an_encoder_that_starts_from_weights_is_not_called_untrained(tmp_path, capsys):
    summary = Summary()
    module = tiny_module()
    module.part = nn.Identity()
    module.part.pretrained = True
    trainer = quiet_trainer(tmp_path, callbacks=[summary, *probes()])
    trainer.fit(module, loader(TRAIN), loader(VALIDATION))
    names = ["val/knn_top1"]
    assert list(summary.scores) == [RAW, AT_START, TRAINED]
    rows = score_table(summary.scores, names)[1]
    assert [row[0] for row in rows] == ["raw pixels", "encoder at the start", "trained encoder"]
    printed = capsys.readouterr().out
    assert "probes of raw pixels and of the encoder at the start" in printed
    assert "untrained" not in printed
    table = printed[printed.index("Probe scores") :]
    assert table.index(AT_START) < table.index(TRAINED)


def test_raw_pixels_are_a_representation_of_bounded_size():
    assert torch.equal(raw_pixels(torch.arange(8.0).view(1, 2, 2, 2)), torch.arange(8.0).view(1, 8))
    assert raw_pixels(torch.rand(2, 3, 224, 100)).shape == (2, 3 * 16 * 16)


def test_baselines_do_not_touch_the_probes_own_head(tmp_path):
    probe = LinearProbe(bank=loader(TRAIN))
    fit(tmp_path, [probe], max_epochs=1)
    other = LinearProbe(bank=loader(TRAIN))
    fit(tmp_path, [other, Summary()], max_epochs=1)
    assert torch.equal(probe.head.weight, other.head.weight)


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_a_resumed_run_remembers_its_baselines(tmp_path):
    def callbacks():
        return [*probes(), Summary(), ModelCheckpoint(tmp_path, save_last=True)]

    fit(tmp_path, first := callbacks(), max_epochs=1, enable_checkpointing=True)
    last = tmp_path / "last.ckpt"
    second = callbacks()
    fit(tmp_path, second, max_epochs=2, resume=last, enable_checkpointing=True)
    assert second[2].scores[RAW] == first[2].scores[RAW] != {}
    assert second[2].scores[UNTRAINED] == first[2].scores[UNTRAINED]


def test_baselines_do_not_wait_for_the_first_validation(tmp_path):
    summary = Summary()
    trainer, _ = fit(tmp_path, [*probes(), summary], max_epochs=4, check_val_every_n_epoch=2)
    assert summary.scores[RAW]["val/linear_top1"] > 0.7
    assert trainer.callback_metrics["val/linear_top1"] > 0.7


def test_a_limited_validation_is_limited_for_the_baselines_too(tmp_path):
    summary = Summary()
    probe = KNNProbe(k=5, bank=loader(digits(0, 100)))
    fit(tmp_path, [probe, summary], limit_val_batches=1, max_epochs=1)
    assert probe.query_size == 50
    assert round(summary.scores[RAW]["val/knn_top1"] * 50, 6).is_integer()


def test_nothing_is_said_of_the_step_of_scores_that_are_not_there(tmp_path, capsys):
    class Stops(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            trainer.should_stop = True

    fit(tmp_path, [*probes(), Summary(), Stops()], max_epochs=3, check_val_every_n_epoch=2)
    printed = capsys.readouterr().out
    assert "Probe scores" in printed
    assert "step" not in printed
