import pytest
import pytorch_lightning as pl
import torch
from metaug.callbacks import FeatureMap, Features, KNNProbe, LinearProbe, knn_predict
from metaug.callbacks.probing.evaluation_callback import EvaluationCallback
from metaug.callbacks.probing.probe import Probe
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader, TensorDataset

from ..tiny import TinyModule, ValidatedModule, digits, loader, quiet_trainer, tiny_module

TRAIN, VALIDATION = digits(0, 300), digits(300, 420)


def probes(**options):
    bank = loader(TRAIN, shuffle=True)
    return [
        KNNProbe(k=20, bank=bank, **options),
        LinearProbe(bank=bank, **options),
    ]


def fit(root, callbacks, kind=ValidatedModule, train=TRAIN, resume=None, **options):
    torch.manual_seed(7)
    module = tiny_module(kind)
    trainer = quiet_trainer(root, callbacks=callbacks, **options)
    validation = loader(VALIDATION, 50) if kind is ValidatedModule else None
    trainer.fit(module, loader(train, shuffle=True), validation, ckpt_path=resume)
    return trainer, module


def test_training_is_bit_identical_with_and_without_probes(tmp_path):
    bare, bare_module = fit(tmp_path, [], num_sanity_val_steps=2)
    state = torch.get_rng_state()
    watched, watched_module = fit(tmp_path, probes(), num_sanity_val_steps=2)
    assert torch.equal(state, torch.get_rng_state())
    assert bare.global_step == watched.global_step == 10
    for (name, expected), found in zip(
        bare_module.state_dict().items(), watched_module.state_dict().values(), strict=True
    ):
        assert torch.equal(expected, found), name


def test_scores_are_those_of_the_final_encoder(tmp_path):
    callbacks = probes()
    trainer, module = fit(tmp_path, callbacks)
    with torch.no_grad():
        bank = representation(module, TRAIN)
        queries = representation(module, VALIDATION)
    predicted = knn_predict(queries.value, bank, 10, k=20)
    expected = (predicted == VALIDATION.tensors[1]).float().mean()
    assert trainer.callback_metrics["val/knn_top1"] == pytest.approx(expected.item())
    assert trainer.callback_metrics["val/linear_top1"] > 0.6
    top5 = trainer.callback_metrics["val/linear_top5"]
    assert 1 >= top5 > trainer.callback_metrics["val/linear_top1"]
    assert {"val/knn_top1", "val/linear_top1"} <= set(trainer.progress_bar_metrics)


def representation(module, data):
    return Features(module.eval()(data.tensors[0]), data.tensors[1], torch.arange(len(data)))


def test_each_image_is_encoded_once_for_all_probes(tmp_path):
    _, module = fit(tmp_path, [*probes(), KNNProbe(bank=loader(TRAIN), k=5, name="val/b")])
    assert module.encoded == 2 * (len(TRAIN) * 2 + len(VALIDATION))  # two distinct bank loaders


def test_settings_are_printed_beside_the_score(tmp_path, capsys):
    fit(tmp_path, probes(), max_epochs=1)
    printed = capsys.readouterr().out
    assert "(k=20, T=0.1, cosine, bank 300, queries 120)" in printed
    assert "(penalty=1, bank 300, queries 120)" in printed


def test_every_n_epochs_and_the_last(tmp_path, capsys):
    fit(tmp_path, probes(every_n_epochs=2), max_epochs=5)
    epochs = [line.split(":")[0] for line in capsys.readouterr().out.splitlines() if "knn" in line]
    assert epochs == ["epoch 1", "epoch 3", "epoch 4"]


def test_the_last_epoch_is_validated_whatever_the_interval(tmp_path, capsys):
    trainer, _ = fit(tmp_path, probes()[:1], max_epochs=5, check_val_every_n_epoch=3)
    scored = [line.split(":")[0] for line in capsys.readouterr().out.splitlines() if "top1" in line]
    assert scored == ["epoch 2", "epoch 4"]
    assert trainer.check_val_every_n_epoch == 3


def test_a_module_without_validation_is_scored_on_given_queries(tmp_path):
    callbacks = probes(queries=loader(VALIDATION))
    trainer, module = fit(tmp_path, callbacks, kind=TinyModule)
    assert trainer.callback_metrics["val/knn_top1"] > 0.5
    assert module.encoded == 2 * (len(TRAIN) + len(VALIDATION))


def test_a_probe_that_cannot_run_says_so(tmp_path):
    with pytest.warns(UserWarning, match=r"val/knn_top1 never runs.*queries="):
        fit(tmp_path, [KNNProbe(bank=loader(TRAIN))], kind=TinyModule)


@pytest.mark.filterwarnings("ignore:Total length of `list` across ranks is zero")
def test_an_empty_validation_set_says_so(tmp_path):
    class NoValidation(Data):
        def val_dataloader(self):
            return []

    trainer = quiet_trainer(tmp_path, callbacks=[KNNProbe(k=20), FeatureMap()])
    with pytest.warns(UserWarning, match="will not run") as caught:
        trainer.fit(tiny_module(), datamodule=NoValidation(10))
    (message,) = [str(w.message) for w in caught if "will not run" in str(w.message)]
    assert message.startswith("val/knn_top1, FeatureMap will not run: the data has no validation")
    assert "no labels" not in message


def test_no_bank_is_an_error_with_a_cure(tmp_path):
    with pytest.raises(ValueError, match=r"bank_dataloader.*bank="):
        fit(tmp_path, [KNNProbe()])


def test_a_small_bank_votes_as_a_whole_with_one_warning(tmp_path):
    with pytest.warns(UserWarning, match="k=200 is larger than the bank; all 30") as caught:
        fit(tmp_path, [KNNProbe(bank=loader(digits(0, 30)))])
    assert len([w for w in caught if "larger than the bank" in str(w.message)]) == 1


def test_few_and_absent_classes(tmp_path):
    image, target = digits(0, 200).tensors
    few = TensorDataset(image[target < 4], target[target < 4])
    one = TensorDataset(image[target == 2], target[target == 2])
    callbacks = [
        KNNProbe(k=3, bank=loader(few), queries=loader(one)),
        LinearProbe(bank=loader(few), queries=loader(one)),
    ]
    trainer, _ = fit(tmp_path, callbacks, kind=TinyModule)
    assert trainer.callback_metrics["val/knn_top1"] > 0.8
    assert trainer.callback_metrics["val/linear_top1"] > 0.8
    assert "val/linear_top5" not in trainer.callback_metrics


@pytest.mark.parametrize("unlabeled", ["minus one", "no target"])
def test_unlabeled_data_is_skipped_with_one_warning(tmp_path, unlabeled):
    image = VALIDATION.tensors[0]
    target = [torch.full((len(image),), -1)] if unlabeled == "minus one" else []
    queries = loader(TensorDataset(image, *target))
    with pytest.warns(UserWarning, match="is skipped: 300 labeled") as caught:
        trainer, _ = fit(tmp_path, probes(queries=queries), kind=TinyModule)
    assert len([w for w in caught if "skipped" in str(w.message)]) == 2  # one of each probe
    assert "val/knn_top1" not in trainer.callback_metrics


class Data(pl.LightningDataModule):
    def __init__(self, num_classes):
        super().__init__()
        self.num_classes = num_classes

    def train_dataloader(self):
        return loader(TRAIN, shuffle=True)

    def val_dataloader(self):
        return loader(VALIDATION)

    test_dataloader = val_dataloader

    def bank_dataloader(self):
        return DataLoader(TRAIN, 64)


class ScoredModule(ValidatedModule):
    def test_step(self, batch, batch_idx):
        return None


def test_the_datamodules_bank_is_the_default_in_fit_validate_and_test(tmp_path):
    trainer = quiet_trainer(tmp_path, callbacks=[KNNProbe(k=20), LinearProbe()])
    module = tiny_module(ScoredModule)
    trainer.fit(module, datamodule=Data(10))
    fitted = trainer.callback_metrics["val/linear_top1"]
    (validated,) = trainer.validate(module, datamodule=Data(10), verbose=False)
    (tested,) = trainer.test(module, datamodule=Data(10), verbose=False)
    assert validated["val/linear_top1"] == pytest.approx(fitted.item())
    assert tested["test/linear_top1"] == pytest.approx(fitted.item())
    assert tested["test/knn_top1"] == pytest.approx(validated["val/knn_top1"])


def test_a_datamodule_without_labels_is_skipped_with_one_warning(tmp_path):
    trainer = quiet_trainer(tmp_path, callbacks=[KNNProbe(k=20)])
    module = tiny_module()
    with pytest.warns(UserWarning, match="val/knn_top1 is skipped: the data has no labels"):
        trainer.fit(module, datamodule=Data(0))
    assert module.encoded == 0


def test_non_finite_representations_are_skipped_with_a_warning(tmp_path):
    class Broken(ValidatedModule):
        def forward(self, image):
            return super().forward(image) * torch.nan

    trainer = quiet_trainer(tmp_path, callbacks=[KNNProbe(k=20, bank=loader(TRAIN))])
    with pytest.warns(UserWarning, match="non-finite"):
        trainer.fit(tiny_module(Broken), loader(TRAIN), loader(VALIDATION))


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_a_resumed_head_equals_one_never_stopped(tmp_path):
    def run(resume=None, **options):
        module = tiny_module()
        module.backbone[3].p = 0.0  # nothing random, and data in order: only resuming can differ
        callbacks = [*probes(), ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1)]
        trainer = quiet_trainer(tmp_path, callbacks=callbacks, enable_checkpointing=True)
        trainer.fit(module, loader(TRAIN), loader(VALIDATION), ckpt_path=resume)
        return callbacks[:2]

    straight = run()
    resumed = run(resume=tmp_path / "epoch=0.ckpt")
    assert torch.equal(straight[1].head.weight, resumed[1].head.weight)
    assert straight[1].head.iterations == resumed[1].head.iterations
    assert [p.scores for p in straight] == [p.scores for p in resumed]
    saved = torch.load(tmp_path / "epoch=0.ckpt", weights_only=True)["callbacks"]
    (linear,) = (state for key, state in saved.items() if key.startswith("LinearProbe"))
    assert set(linear) == {"scores", "epoch", "step", "conditions", "head", "optimizer"}


def test_two_probes_of_one_kind_are_told_apart(tmp_path):
    callbacks = [KNNProbe(k=k, bank=loader(TRAIN), name=f"val/knn{k}_top1") for k in (1, 20)]
    trainer, _ = fit(tmp_path, callbacks)
    assert trainer.callback_metrics.keys() >= {"val/knn1_top1", "val/knn20_top1"}


def test_arguments_come_from_yaml():
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--probes", type=list[pl.Callback])
    text = "[{class_path: metaug.callbacks.KNNProbe, init_args: {k: 7, metric: euclidean}}]"
    (probe,) = parser.instantiate(parser.parse_args([f"--probes={text}"])).probes
    assert (probe.k, probe.metric, probe.temperature) == (7, "euclidean", 0.1)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="k=0"):
        KNNProbe(k=0)
    with pytest.raises(ValueError, match="temperature=0"):
        KNNProbe(temperature=0)
    with pytest.raises(ValueError, match="every_n_epochs=0"):
        LinearProbe(every_n_epochs=0)


@pytest.mark.parametrize("kind", [Probe, EvaluationCallback])
def test_what_a_probe_must_say_is_asked_for(kind):
    with pytest.raises(TypeError, match="abstract"):
        kind(**({"name": "val/none"} if kind is Probe else {}))


def test_an_unknown_argument_is_an_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'banks'"):
        KNNProbe(banks=[])


@pytest.mark.parametrize("stage", ["fit", "validate"])
def test_a_probe_without_a_bank_says_so_before_any_work(stage, tmp_path):
    trainer = quiet_trainer(tmp_path, max_epochs=1, callbacks=[KNNProbe(k=1)])
    module = ValidatedModule()
    loaders = {"fit": [loader(TRAIN), loader(TRAIN)], "validate": [loader(TRAIN)]}[stage]
    with pytest.raises(ValueError, match="val/knn_top1 has nothing to learn from: loaders gives"):
        getattr(trainer, stage)(module, *loaders)
    assert trainer.global_step == 0
