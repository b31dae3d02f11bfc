"""What cannot be trained is refused with the value and the cure."""

from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from metaug.lightning_modules import (
    AugmentationGenerator,
    EngineError,
    MemoryBank,
    MetaStep,
    NonFiniteLossError,
    OptimizerSettings,
    PerViewEncoder,
)
from metaug.lightning_modules.training.checks import IncompleteStateError, check_precision
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.data import DataLoader

from .tiny import examples, fit, loader, tiny_encoder, tiny_metaug


def test_views_of_data_and_model():
    with pytest.raises(ValueError, match="has 3 views of each image, the generator has 2; set"):
        fit(tiny_metaug(), loader(views=3))
    per_view = PerViewEncoder([tiny_encoder() for _ in range(2)])
    with pytest.raises(ValueError, match="has 3 views of each image, the encoder has 2; set"):
        fit(tiny_metaug(encoder=per_view, generator=None), loader(views=3))
    with pytest.raises(ValueError, match="encoder has 2 views, the generator num_views=3"):
        tiny_metaug(encoder=per_view, generator=AugmentationGenerator(8, 3))


def test_views_of_a_data_module_are_compared_before_training():
    class ThreeViews(pl.LightningDataModule):
        num_views = 3

        def train_dataloader(self):
            raise AssertionError("too late")

    with pytest.raises(
        ValueError, match="the data have 3 views of each image, the generator has 2"
    ):
        fit(tiny_metaug(), ThreeViews())


def test_sizes_of_encoder_and_generator():
    with pytest.raises(ValueError, match="projection_dim is 8, the generator's feature_dim is 9"):
        tiny_metaug(generator=AugmentationGenerator(9, 2))


@pytest.mark.parametrize(
    "encoder", [lambda: tiny_encoder(), lambda: PerViewEncoder([tiny_encoder(True)] * 2)]
)
def test_a_batch_of_one(encoder):
    with pytest.raises(
        ValueError, match="a batch of 1 instance has no negatives; use a batch of 2"
    ):
        fit(tiny_metaug(encoder=encoder()), loader(2, 1))


def test_a_foreign_batch():
    batches = DataLoader([row[1][0] for row in examples(8)], 4)
    with pytest.raises(TypeError, match=r"must be MultiViewBatch.*got Tensor\[4, 1, 8, 8\]"):
        fit(tiny_metaug(), batches)


def test_an_engine_that_cannot_handle_the_encoder():
    encoder = tiny_encoder()
    weight_norm(encoder.projection[0])
    with pytest.raises(EngineError, match=r"'exact' needs forward-mode.*Use engine 'lookahead'"):
        fit(tiny_metaug(encoder=encoder, meta=MetaStep(engine="exact")))
    fit(tiny_metaug(encoder=encoder, meta=MetaStep(engine="lookahead")))


@pytest.mark.parametrize("precision", ["16-mixed", "16-true", "bf16-true"])
def test_refused_precisions(precision):
    """Lightning itself turns 16-mixed into bf16-mixed on a CPU, so the trainer is a stand-in."""
    trainer = SimpleNamespace(precision=precision)
    with pytest.raises(ValueError, match=f"precision {precision} .* use precision: bf16-mixed"):
        check_precision(trainer)


class Poison(pl.Callback):
    """Sets a weight to NaN before the third batch."""

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.global_step == 2:
            with torch.no_grad():
                next(module.encoder.parameters()).fill_(torch.nan)


@pytest.mark.parametrize("saved", [False, True])
def test_a_loss_that_is_not_finite(saved, tmp_path):
    callbacks = [Poison()]
    if saved:
        callbacks.append(ModelCheckpoint(tmp_path, "step{step}", every_n_train_steps=1))
    with pytest.raises(NonFiniteLossError) as caught:
        fit(tiny_metaug(), callbacks=callbacks, enable_checkpointing=saved)
    message = str(caught.value)
    assert "the loss is nan at step 2; not finite: contrastive loss" in message
    assert "Lower the learning rate, add warm-up or set clip_norm" in message
    if saved:
        assert f"resume from {tmp_path}" in message
        assert "step=2" in message
    else:
        assert "no checkpoint was written yet" in message


def test_a_gradient_that_is_not_finite():
    """The loss is finite, but the next one would not be: the weights are left as they were."""
    module = tiny_metaug()

    class Sqrt(torch.nn.Module):
        """Its derivative at 0 is infinite."""

        def forward(self, value):
            return (value - value.detach()).abs().sqrt() + value

    module.encoder.backbone = torch.nn.Sequential(module.encoder.backbone, Sqrt())
    before = [param.clone() for param in module.encoder.parameters()]
    with pytest.raises(NonFiniteLossError, match=r"at step 0; not finite: gradients\. Lower"):
        fit(module)
    assert all(map(torch.equal, before, module.encoder.parameters()))


def test_the_memory_bank_needs_sizes_and_indices():
    with pytest.raises(
        ValueError, match=r"must know the number of training images .* num_instances"
    ):
        fit(tiny_metaug(memory_bank=MemoryBank(4)))
    batches = DataLoader([(row[1], row[2]) for row in examples()], 4)
    with pytest.raises(ValueError, match=r"needs the dataset index .* yield MultiViewBatch"):
        fit(tiny_metaug(memory_bank=MemoryBank(4, num_instances=16)), batches)


def test_clip_norm_is_positive():
    with pytest.raises(ValueError, match=r"clip_norm must be greater than 0, got 0.0; null for no"):
        tiny_metaug(clip_norm=0.0)


class FailsOnce(torch.nn.Module):
    """Fails in the first pass without a graph: in the middle of the look-ahead."""

    armed = False

    def forward(self, value):
        if self.armed and not torch.is_grad_enabled():
            raise torch.OutOfMemoryError("no memory for the look-ahead")
        return value


class Arm(pl.Callback):
    def __init__(self, kind):
        self.kind = kind

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.global_step != 2:
            return
        if self.kind == "images":
            batch[1][0].fill_(torch.nan)
        else:
            module.encoder.backbone[-1].armed = True


@pytest.mark.filterwarnings("ignore:The dirpath has changed")
@pytest.mark.parametrize("kind", ["images", "memory"])
def test_a_step_that_fails_has_no_effect_on_the_checkpoint(kind, tmp_path):
    """The checkpoint of the exception is resumed, and ends as if nothing had happened."""

    def make():
        model = tiny_metaug(norm=True, generator=AugmentationGenerator(8, 2, 16, norm=True))
        model.encoder.projection.append(torch.nn.Dropout(0.2))
        model.encoder.backbone.append(FailsOnce())
        return model

    shared = {"max_epochs": 2, "enable_checkpointing": True}
    torch.manual_seed(1)
    whole = make()
    torch.manual_seed(1)
    fit(whole, loader(8), max_epochs=2)
    saving = [
        ModelCheckpoint(tmp_path / name, "{step}", every_n_epochs=100, save_on_exception=True)
        for name in ("broken", "resumed")
    ]
    torch.manual_seed(1)
    broken = make()
    torch.manual_seed(1)
    error = NonFiniteLossError if kind == "images" else torch.OutOfMemoryError
    with pytest.raises(error):
        fit(broken, loader(8), callbacks=[saving[0], Arm(kind)], **shared)
    (path,) = tmp_path.glob("broken/*.ckpt")
    assert torch.load(path, weights_only=True)["global_step"] == 2
    resumed = make()
    fit(resumed, loader(8), ckpt_path=path, callbacks=saving[1:], **shared)
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_no_checkpoint_of_weights_that_are_not_finite(tmp_path):
    """On a GPU most steps are not looked at, so a checkpoint looks before it is written."""
    trainer = fit(tiny_metaug())
    trainer.save_checkpoint(tmp_path / "good.ckpt")
    with torch.no_grad():
        next(trainer.lightning_module.encoder.parameters()).fill_(torch.nan)
    with pytest.raises(IncompleteStateError, match=r"no checkpoint is written: 1 of \d+ tensors"):
        trainer.save_checkpoint(tmp_path / "bad.ckpt")
    assert [path.name for path in tmp_path.iterdir()] == ["good.ckpt"]


def test_no_checkpoint_of_half_a_step(tmp_path):
    steps = []

    def fail(*arguments):
        steps.append(1)
        if len(steps) == 2:
            raise torch.OutOfMemoryError("no memory for the momentum")

    model = tiny_metaug()
    build = model.configure_optimizers

    def configure():
        (encoder, generator), schedules = build()
        encoder.register_step_pre_hook(fail)
        return [encoder, generator], schedules

    model.configure_optimizers = configure
    saving = ModelCheckpoint(tmp_path, save_on_exception=True)
    with pytest.raises(IncompleteStateError, match="updated one network and not the other"):
        fit(model, callbacks=[saving], enable_checkpointing=True)
    assert not list(tmp_path.iterdir())


class PoisonImages(pl.Callback):
    """Sets a pixel to NaN."""

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        batch[1][0][0, 0, 0, 0] = torch.nan


def test_what_else_than_the_learning_rate_is_wrong():
    with pytest.raises(NonFiniteLossError, match="images of this batch are not finite") as caught:
        fit(tiny_metaug(), callbacks=[PoisonImages()])
    assert "learning rate" not in str(caught.value)
    module = tiny_metaug()
    with torch.no_grad():
        module.encoder.projection[0].weight.fill_(torch.nan)
    with pytest.raises(
        NonFiniteLossError, match=r"encoder.projection.0.weight was not finite before the first"
    ):
        fit(module)


def test_draws_that_are_all_of_the_anchors_own_image():
    with pytest.raises(NonFiniteLossError, match="raise num_negatives"):
        fit(tiny_metaug(memory_bank=MemoryBank(1, num_instances=16)))


@pytest.mark.parametrize("settings", [{"gradient_clip_val": 1.0}, {"accumulate_grad_batches": 2}])
def test_settings_of_the_trainer_that_have_another_name(settings):
    with pytest.raises(ValueError, match=r"--model\.(clip_norm|accumulate)"):
        fit(tiny_metaug(), **settings)


def test_warm_up_longer_than_training():
    settings = OptimizerSettings(warmup_epochs=3)
    with pytest.raises(ValueError, match="warmup_epochs=3 is longer than training, max_epochs=1"):
        fit(tiny_metaug(encoder_optimizer=settings), max_epochs=1, max_steps=-1)
    fit(tiny_metaug(encoder_optimizer=settings), fast_dev_run=True)
