from metaug.callbacks import TrainingCurves
from metaug.callbacks.plotting.curves import draw_curves

from .probing.test_probe import TRAIN, VALIDATION, fit, probes
from .tiny import ValidatedModule, loader, quiet_trainer, tiny_module


def test_curves_of_a_resumed_run_are_whole(tmp_path):
    straight = TrainingCurves()
    fit(tmp_path, [*probes(), straight])
    # 5 steps an epoch and none logged before its last
    assert straight.history.points("train/loss")[0] == [5, 10]
    assert straight.history.points("val/knn_top1")[0] == [5, 10]
    loaded = TrainingCurves()
    loaded.load_state_dict(straight.state_dict())
    assert loaded.history.points("train/loss") == straight.history.points("train/loss")


def test_the_contrastive_loss_is_one_line_whatever_its_name(tmp_path):
    """Version 0.1.0 logged it as train/oucl alone; now both names are logged."""

    class TwoNames(ValidatedModule):
        def training_step(self, batch, batch_idx):
            loss = super().training_step(batch, batch_idx)
            self.log_dict({"train/contrastive": loss, "train/oucl": loss})
            return loss

    curves = TrainingCurves()
    trainer = quiet_trainer(tmp_path, callbacks=[curves], max_epochs=1)
    trainer.fit(tiny_module(TwoNames), loader(TRAIN), loader(VALIDATION))
    assert set(curves.history.series) == {"train/loss", "train/contrastive"}
    assert curves.history.points("train/contrastive") == curves.history.points("train/loss")
    (axes,) = draw_curves(curves.history).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["loss", "contrastive"]

    earlier = curves.state_dict()["history"]
    earlier["train/oucl"] = earlier.pop("train/contrastive")
    loaded = TrainingCurves()
    loaded.load_state_dict({"history": earlier})
    assert loaded.history.points("train/contrastive") == curves.history.points("train/contrastive")
    assert "train/oucl" not in loaded.history.series
