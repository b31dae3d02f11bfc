import pytest
import torch
from metaug.callbacks import CollapseMonitor, alignment, effective_rank, feature_std, uniformity

from ..probing.test_probe import VALIDATION, fit
from ..tiny import ValidatedModule, loader, quiet_trainer, tiny_module


def test_numbers_are_those_of_the_final_representation(tmp_path):
    with pytest.warns(UserWarning, match=r"Alignment is not measured.*views"):
        trainer, module = fit(tmp_path, [CollapseMonitor()])
    with torch.no_grad():
        features = module.eval()(VALIDATION.tensors[0])
    found = trainer.callback_metrics
    assert found["representation/std"] == pytest.approx(feature_std(features).item(), rel=1e-4)
    assert found["representation/rank"] == pytest.approx(effective_rank(features).item(), rel=1e-4)
    assert found["representation/uniformity"] == pytest.approx(
        uniformity(features).item(), rel=1e-4
    )


class TwoViews(torch.utils.data.Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, index):
        image = VALIDATION.tensors[0][index]
        return [image, image.flip(-1)], VALIDATION.tensors[1][index]


class Frozen(ValidatedModule):
    """Takes two views and learns nothing."""

    def training_step(self, batch, batch_idx):
        return (self.backbone(batch[0][0]) * 0).sum()


def test_alignment_is_that_of_the_last_batchs_views(tmp_path):
    module = tiny_module(Frozen)
    trainer = quiet_trainer(tmp_path, callbacks=[CollapseMonitor()], max_epochs=1)
    trainer.fit(module, loader(TwoViews(), 32), loader(VALIDATION))
    views, _ = next(iter(loader(torch.utils.data.Subset(TwoViews(), range(32, 64)), 32)))
    with torch.no_grad():
        expected = alignment(*(module.eval()(view) for view in views))
    found = trainer.callback_metrics["representation/alignment"]
    assert found == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("steps", [1, 2])
def test_the_last_weights_are_measured(steps, tmp_path):
    monitor = CollapseMonitor(every_n_epochs=5)
    trainer = quiet_trainer(tmp_path, callbacks=[monitor], max_epochs=9, max_steps=steps)
    trainer.fit(tiny_module(Frozen), loader(TwoViews(), 32), loader(VALIDATION))
    assert trainer.global_step == steps
    assert "representation/std" in trainer.callback_metrics
    assert ("representation/alignment" in trainer.callback_metrics) == (steps == 2)


@pytest.mark.parametrize(
    ("collapse", "message"),
    [
        (
            lambda value: torch.ones_like(value),
            r"to a point .*std 0.* effective rank 1\.00 of 16",
        ),
        (
            lambda value: value[:, :1].sign() * torch.ones_like(value),
            r"to a line .*rank 1\.00 of 16",
        ),
    ],
)
def test_collapse_is_warned_of_once_with_what_was_seen(tmp_path, collapse, message):
    class Collapsed(ValidatedModule):
        def forward(self, image):
            return collapse(super().forward(image))

    monitor = CollapseMonitor(every_n_epochs=1)
    monitor.on_train_batch_end = lambda *args: None
    trainer = quiet_trainer(tmp_path, callbacks=[monitor])
    with pytest.warns(UserWarning, match=message) as caught:
        trainer.fit(tiny_module(Collapsed), loader(VALIDATION), loader(VALIDATION))
    assert len([w for w in caught if "collapses" in str(w.message)]) == 1


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="max_images=1"):
        CollapseMonitor(max_images=1)
