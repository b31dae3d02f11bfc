import pytest
import pytorch_lightning as pl
import torch
from metaug.callbacks import KNNProbe, export_backbone
from metaug.callbacks.artifacts.timm_export import built_with, find_backbone
from metaug.datamodules import DigitsDataModule, LabelledDataModule
from metaug.lightning_modules import (
    Encoder,
    FineTuner,
    FrozenBackbone,
    LinearEvaluator,
    OptimizerSettings,
)
from torch import nn
from torch.nn import functional

from .test_linear_evaluator import run
from .tiny import fit, tiny_encoder, tiny_metaug

# Lightning's doubt whether a frozen encoder is meant to be in evaluation mode
pytestmark = pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start of training")
STEADY = OptimizerSettings(name="momentum", lr=0.02, schedule="constant", weight_decay=0.0)


def few() -> LabelledDataModule:
    return LabelledDataModule(DigitsDataModule(), labels_per_class=8, batch_size=80)


def test_first_step_moves_encoder_and_head_by_their_rates():
    encoder = tiny_encoder()
    before = [p.detach().clone() for p in encoder.backbone.parameters()]
    projection = [p.detach().clone() for p in encoder.projection.parameters()]
    data = few()
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    module = FineTuner(encoder, optimizer=STEADY, head_rate_factor=5.0)
    run(module, data, epochs=1)
    same = tiny_encoder()
    weight, bias = (torch.zeros(10, 16, requires_grad=True), torch.zeros(10, requires_grad=True))
    scores = functional.linear(same.backbone(batch.views[0]), weight, bias)
    loss = functional.cross_entropy(scores, batch.target)
    grads = torch.autograd.grad(loss, [weight, bias, *same.backbone.parameters()])
    torch.testing.assert_close(module.head.weight, -0.1 * grads[0])
    torch.testing.assert_close(module.head.bias, -0.1 * grads[1])
    for value, start, grad in zip(encoder.backbone.parameters(), before, grads[2:], strict=True):
        torch.testing.assert_close(value, start - 0.02 * grad)
    for value, start in zip(encoder.projection.parameters(), projection, strict=True):
        assert torch.equal(value, start)


@pytest.mark.parametrize(
    ("accumulated", "settings"),
    [(2, {"max_epochs": 1}), (2, {"max_epochs": -1, "max_steps": 2}), (1, {"max_steps": 4})],
)
def test_warm_up_counts_steps_of_the_optimizer(accumulated, settings):
    data = LabelledDataModule(DigitsDataModule(), labels_per_class=8, batch_size=20)
    warmed = OptimizerSettings(name="momentum", lr=0.02, schedule="constant", warmup_epochs=1)
    module = FineTuner(tiny_encoder(), optimizer=warmed)
    trainer = run(module, data, accumulate_grad_batches=accumulated, **settings)
    assert trainer.global_step == 4 // accumulated  # an epoch
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.02)


def test_learns_from_few_labels_and_reports_the_last_epoch():
    data = few()
    module = FineTuner(tiny_encoder(norm=True), optimizer=STEADY)
    trainer = run(module, data, epochs=40, check_val_every_n_epoch=40)
    found = float(trainer.callback_metrics["val/finetune_top1"])
    module.eval()
    batches = list(data.val_dataloader())
    with torch.no_grad():
        right = [module.classify(b.image).argmax(1) == b.target for b in batches]
    assert found == pytest.approx(float(torch.cat(right).double().mean()))
    assert found > 0.5
    assert trainer.callback_metrics["val/finetune_top5"] > found


@pytest.mark.parametrize("frozen", [False, True])
def test_batch_norm_keeps_its_statistics_where_wanted(frozen):
    encoder = tiny_encoder(norm=True)
    norm = next(m for m in encoder.backbone if isinstance(m, nn.BatchNorm2d))
    before = norm.running_mean.clone()
    run(FineTuner(encoder, optimizer=STEADY, freeze_batch_norm=frozen), few(), epochs=2)
    assert torch.equal(norm.running_mean, before) == frozen


def small_encoder() -> Encoder:
    shape = {"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 8]}
    return Encoder(
        "resnet18", small_images=True, image_channels=1, projection_dim=8, backbone_args=shape
    )


def test_checkpoint_and_export_of_what_was_fine_tuned(tmp_path):
    data = few()
    module = FineTuner(small_encoder(), optimizer=STEADY)
    run(module, data, epochs=1).save_checkpoint(tmp_path / "tuned.ckpt")
    module.eval()
    image = next(iter(data.val_dataloader())).image
    again = FineTuner.load_from_checkpoint(tmp_path / "tuned.ckpt").eval()
    with torch.no_grad():
        torch.testing.assert_close(again.classify(image), module.classify(image))
    export_backbone(
        find_backbone(module), tmp_path / "export", architecture_args=built_with(module)
    )
    with torch.no_grad():
        assert torch.equal(FrozenBackbone(str(tmp_path / "export"))(image), module(image))


@pytest.mark.parametrize("kind", [FineTuner, LinearEvaluator])
def test_the_checkpoint_of_an_evaluation_is_a_backbone_of_the_next(kind, tmp_path):
    """With the weights that the evaluation ended with, also when its own backbone is gone."""
    pretrained = tmp_path / "pretrained.ckpt"
    fit(tiny_metaug(encoder=small_encoder())).save_checkpoint(pretrained)
    data = few()
    module = kind(str(pretrained))
    run(module, data, epochs=1).save_checkpoint(tmp_path / "evaluated.ckpt")
    pretrained.unlink()
    image = next(iter(data.val_dataloader())).image
    for again in (FineTuner, LinearEvaluator, FrozenBackbone):
        with torch.no_grad():
            network = again(str(tmp_path / "evaluated.ckpt")).encoder.eval()
            torch.testing.assert_close(network(image), module.eval()(image))
            projected = FrozenBackbone(str(tmp_path / "evaluated.ckpt"), "projection")(image)
            torch.testing.assert_close(projected, module.encoder.network.project(image))


def test_frozen_backbone_runs_probes_and_refuses_to_fit():
    encoder = small_encoder()
    probe = KNNProbe(k=3)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        callbacks=[probe],
        enable_progress_bar=False,
    )
    data = few()
    trainer.validate(FrozenBackbone(encoder), datamodule=data, verbose=False)
    with torch.no_grad():
        bank, queries = (
            (encoder.eval().represent(batch.image), batch.target)
            for batch in (next(iter(data.bank_dataloader())), next(iter(data.val_dataloader())))
        )
    unit = [nn.functional.normalize(value.double()) for value, _ in (bank, queries)]
    similarity, nearest = (unit[1] @ unit[0].T).topk(3)
    votes = torch.zeros(len(nearest), 10, dtype=torch.float64)
    votes.scatter_add_(1, bank[1][nearest], (similarity / 0.1).exp())
    right = (votes.argmax(1) == queries[1]).sum()
    others = len(data.splits.val) - len(queries[1])
    hits = round(probe.scores["val/knn_top1"] * len(data.splits.val))
    assert int(right) <= hits <= int(right) + others
    with pytest.raises(ValueError, match="has nothing to fit; use `metaug validate`"):
        trainer.fit(FrozenBackbone(encoder), datamodule=data)


def test_mistakes_name_value_and_cure():
    with pytest.raises(ValueError, match="head_rate_factor must be greater than 0, got 0"):
        FineTuner(tiny_encoder(), head_rate_factor=0)
    with pytest.raises(ValueError, match=r"label_smoothing must be .* less than 1, got 1.5"):
        FineTuner(tiny_encoder(), label_smoothing=1.5)
