"""A run that is stopped, or fails, and goes on from its checkpoint equals one that did neither."""

import os
import signal
import threading
from datetime import timedelta
from itertools import islice

import pytest
import pytorch_lightning as pl
import torch
from metaug.callbacks import Checkpoint, KNNProbe
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from tests.lightning_modules.tiny import examples, fit, loader, tiny_metaug

pytestmark = [
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
    pytest.mark.filterwarnings("ignore:The dirpath has changed"),
]
DATA = {"max_epochs": 2, "enable_checkpointing": True}


def callback(folder) -> Checkpoint:
    return Checkpoint(folder, save_last=True, save_on_exception=True, every_n_epochs=100)


class Act(pl.Callback):
    """Does something at a hook, once `step` steps are done."""

    def __init__(self, step: int, hook: str, act) -> None:
        self.step = step
        setattr(self, hook, self._hook)
        self.act = act

    def _hook(self, trainer, *args):
        if trainer.global_step == self.step:
            self.act()


def fail():
    raise RuntimeError("on purpose")


def weights(model) -> list[torch.Tensor]:
    return list(model.state_dict().values())


class GoesOn(DataLoader):
    """A loader that a resumed epoch goes on with."""

    trainer: pl.Trainer

    def __init__(self):
        super().__init__(examples(24), 4, generator=torch.Generator())

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass

    def __iter__(self):
        done = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
        yield from islice(super().__iter__(), done, None)


class Give(pl.Callback):
    """Gives the loader its trainer."""

    def __init__(self, batches: GoesOn) -> None:
        self.batches = batches

    def setup(self, trainer, pl_module, stage):
        self.batches.trainer = trainer


def train(model, callbacks, **settings):
    batches = GoesOn()
    fit(model, batches, callbacks=[Give(batches), *callbacks], **DATA, **settings)
    return weights(model)


def stopped_and_resumed(folder, cause, error, hook="on_train_batch_start", **settings):
    """The weights of a run that ends in its fourth batch and goes on."""
    torch.manual_seed(1)
    stopped = tiny_metaug(norm=True)
    callbacks = [Act(3, hook, cause), callback(folder / "stopped")]
    with pytest.raises(error) as caught:
        train(stopped, callbacks, **settings)
    path = folder / "stopped/last.ckpt"
    on = [callback(folder / "on")]
    return train(tiny_metaug(norm=True), on, ckpt_path=path, **settings), caught.value


def never_stopped(**settings):
    torch.manual_seed(1)
    return train(tiny_metaug(norm=True), [], **settings)


@pytest.fixture(autouse=True)
def _heeds_ctrl_c():
    """A shell has its background jobs, these tests perhaps, ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)], ids=["SIGTERM", "Ctrl-C"]
)
def test_a_signal_ends_training_after_the_batch(name, code, tmp_path, capfd):
    before = signal.getsignal(signal.SIGINT)

    def send():
        os.kill(os.getpid(), getattr(signal, name))

    resumed, error = stopped_and_resumed(tmp_path, send, SystemExit)
    assert error.code == code
    assert all(map(torch.equal, resumed, never_stopped()))
    assert torch.load(tmp_path / "stopped/last.ckpt")["global_step"] == 4
    printed = capfd.readouterr().err
    assert "metaug: stopping after this step" in printed
    assert f"--ckpt_path last goes on from {tmp_path}/stopped/last.ckpt" in printed
    assert "Received SIGTERM" not in printed
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_ends_it_at_once(tmp_path):
    def press_twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    resumed, error = stopped_and_resumed(tmp_path, press_twice, SystemExit)
    assert isinstance(error.__context__, KeyboardInterrupt)
    assert torch.load(tmp_path / "stopped/last.ckpt")["global_step"] == 3
    assert all(map(torch.equal, resumed, never_stopped()))


@pytest.mark.parametrize("hook", ["on_train_batch_start", "on_train_batch_end"])
def test_an_error_keeps_the_last_whole_step(hook, tmp_path, capfd):
    resumed, error = stopped_and_resumed(tmp_path, fail, RuntimeError, hook)
    assert str(error) == "on purpose"
    assert all(map(torch.equal, resumed, never_stopped()))
    assert "--ckpt_path last goes on from" in capfd.readouterr().err


def test_float64_is_resumed_bit_for_bit(tmp_path):
    resumed, _ = stopped_and_resumed(tmp_path, fail, RuntimeError, precision="64-true")
    expected = never_stopped(precision="64-true")
    assert expected[0].dtype == torch.float64
    assert all(map(torch.equal, resumed, expected))


def test_half_a_step_is_not_kept_and_the_first_cause_is_seen(tmp_path, capfd):
    hook = "on_before_optimizer_step"  # the generator has stepped
    with pytest.raises(RuntimeError, match="on purpose"):
        fit(tiny_metaug(), callbacks=[Act(2, hook, fail), callback(tmp_path)], **DATA)
    assert not list(tmp_path.iterdir())
    printed = capfd.readouterr().err
    assert "updated one network and not the other" in printed
    assert "no checkpoint is there yet" in printed


def test_what_fails_before_the_first_step_is_not_kept(tmp_path):
    """The states of a checkpoint that could not be taken up are no state of this run."""
    fit(tiny_metaug(), callbacks=[callback(tmp_path / "first")], **DATA)
    path = tmp_path / "first/last.ckpt"
    callbacks = [Act(8, "on_train_start", fail), callback(tmp_path / "second")]
    with pytest.raises(RuntimeError, match="on purpose"):
        fit(tiny_metaug(), callbacks=callbacks, ckpt_path=path, **{**DATA, "max_epochs": 4})
    assert not (tmp_path / "second").exists()


def test_a_trial_run_leaves_nothing(tmp_path):
    fit(tiny_metaug(), callbacks=[callback(tmp_path)], fast_dev_run=True, **DATA)
    assert not list(tmp_path.iterdir())


def test_time_intervals_count_under_manual_optimization(tmp_path):
    saving = Checkpoint(tmp_path, "{step}", train_time_interval=timedelta(0), save_top_k=-1)
    fit(tiny_metaug(), callbacks=[saving], enable_checkpointing=True)
    assert {path.name for path in tmp_path.iterdir()} == {f"step={n}.ckpt" for n in (1, 2, 3, 4)}


def test_training_in_a_thread(tmp_path):
    """As `wandb.agent(function=...)` does."""
    ended = []

    def train():
        fit(tiny_metaug(), callbacks=[callback(tmp_path)], **DATA)
        ended.append(True)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert ended


def test_checkpoints_of_a_model_checkpoint_are_taken_up():
    assert Checkpoint(monitor="val/loss").state_key == ModelCheckpoint(monitor="val/loss").state_key


class Losses(pl.Callback):
    """What other people's callbacks read."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.seen.append(float(outputs["loss"]))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_loss_is_given_to_callbacks(accumulate):
    losses = Losses()
    trainer = fit(tiny_metaug(accumulate=accumulate), callbacks=[losses])
    assert losses.seen[-1] == pytest.approx(float(trainer.callback_metrics["train/loss"]))
    assert len(losses.seen) == 4


class Validated(pl.LightningModule):
    """Scored by a probe."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)

    def forward(self, image):
        return self.layer(image)

    def training_step(self, batch, batch_idx):
        return self(batch[0]).square().mean()

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("limit", [{"max_steps": 3}, {"max_time": timedelta(milliseconds=1)}])
def test_the_last_weights_are_scored(limit, tmp_path):
    rows = [(torch.rand(4), n % 2) for n in range(16)]
    data = torch.utils.data.DataLoader(rows, 4)
    probe = KNNProbe(k=1, bank=data, every_n_epochs=5)
    settings = {"accelerator": "cpu", "enable_progress_bar": False, "logger": False}
    settings |= {"enable_checkpointing": False, "enable_model_summary": False, "max_epochs": 9}
    trainer = pl.Trainer(callbacks=[probe], num_sanity_val_steps=0, **settings, **limit)
    trainer.fit(Validated(), data, data)
    assert probe.step == trainer.global_step < 4


@pytest.mark.parametrize("save_last", [True, "link"])
@pytest.mark.parametrize("monitor", [None, "train/loss"])
def test_the_last_weights_are_kept_whatever_the_interval(save_last, monitor, tmp_path):
    def save(name):
        return Checkpoint(tmp_path / name, save_last=save_last, every_n_epochs=2, monitor=monitor)

    straight, stopped, resumed = (tiny_metaug() for _ in range(3))
    settings = {"enable_checkpointing": True}
    fit(straight, loader(24), callbacks=[save("straight")], max_epochs=5, **settings)
    fit(stopped, loader(24), callbacks=[save("stopped")], max_epochs=3, **settings)
    last = tmp_path / "stopped" / "last.ckpt"
    kept = torch.load(last, weights_only=True)["state_dict"]
    assert all(torch.equal(kept[name], value) for name, value in stopped.state_dict().items())
    fit(resumed, loader(24), callbacks=[save("stopped")], max_epochs=5, ckpt_path=last, **settings)
    assert all(map(torch.equal, weights(resumed), weights(straight)))
