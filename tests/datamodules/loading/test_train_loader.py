"""A run that is stopped and resumed sees what it would have seen."""

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback


class Recorder(pl.LightningModule):
    """Records the images of every batch and a checksum of the views."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen = []

    def training_step(self, batch, batch_idx):
        checksum = sum(float(view.double().sum()) for view in batch.views)
        self.seen.append((self.current_epoch, batch_idx, batch.index.tolist(), checksum))
        return (self.weight * 0).sum()

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Stop(Callback):
    """Saves and stops the run at one point, as a killed run leaves it."""

    def __init__(self, path, hook, epoch, batch=None):
        self.path, self.hook, self.epoch, self.batch = path, hook, epoch, batch

    def _stop(self, trainer, hook, batch=None):
        if (hook, trainer.current_epoch, batch) == (self.hook, self.epoch, self.batch):
            trainer.save_checkpoint(self.path)
            raise KeyboardInterrupt

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self._stop(trainer, "batch_end", batch_idx)

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self._stop(trainer, "batch_start", batch_idx)

    def on_validation_end(self, trainer, module):
        if not trainer.sanity_checking:
            self._stop(trainer, "validation_end")

    def on_train_epoch_end(self, trainer, module):
        self._stop(trainer, "epoch_end")


def run(datamodule, tmp_path, *, stop=None, checkpoint=None):
    module = Recorder()
    trainer = pl.Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[stop] if stop else [],
        default_root_dir=tmp_path,
    )
    try:
        trainer.fit(module, datamodule=datamodule, ckpt_path=checkpoint, weights_only=True)
    except (KeyboardInterrupt, SystemExit):
        assert stop is not None
    return module.seen


STOPS = [
    ("batch_end", 1, 1),
    ("batch_end", 0, 0),
    ("batch_end", 1, 4),  # the last batch of the epoch
    ("batch_start", 1, 2),  # a batch that is not done
    ("validation_end", 1, None),
    ("epoch_end", 1, None),
]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("where", STOPS, ids=lambda stop: "-".join(map(str, stop)))
def test_resumed_run_sees_exactly_the_rest(toy, tmp_path, where, workers):
    whole = run(toy(instances=22, batch_size=4, num_workers=0), tmp_path)
    assert [(epoch, batch) for epoch, batch, *_ in whole] == [
        (epoch, batch) for epoch in range(3) for batch in range(5)
    ]

    path = tmp_path / "stopped.ckpt"
    hook, epoch, batch = where
    arguments = {"instances": 22, "batch_size": 4, "num_workers": workers}
    run(toy(**arguments), tmp_path, stop=Stop(path, hook, epoch, batch))
    rest = run(toy(**arguments), tmp_path, checkpoint=path)

    done = epoch * 5 + (5 if batch is None else batch + (hook == "batch_end"))
    assert rest == whole[done:]


def test_resumed_run_of_held_images_sees_exactly_the_rest(toy, tmp_path, monkeypatch):
    whole = run(toy(instances=22, batch_size=4, num_workers=0), tmp_path)
    monkeypatch.setattr("metaug.datamodules.loading.held.free_memory", lambda device: 1 << 40)
    path = tmp_path / "stopped.ckpt"
    arguments = {"instances": 22, "batch_size": 4, "augment_on": "device"}
    start = run(toy(**arguments), tmp_path, stop=Stop(path, "batch_end", 1, 1))
    rest = run(toy(**arguments), tmp_path, checkpoint=path)
    assert start + rest == whole


def test_order_differs_between_epochs_and_seeds(toy, tmp_path):
    seen = run(toy(instances=20, batch_size=4, num_workers=0), tmp_path)
    epochs = [[row[2] for row in seen if row[0] == epoch] for epoch in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    assert all(
        sorted(index for batch in epoch for index in batch) == list(range(20)) for epoch in epochs
    )
    other = run(toy(instances=20, batch_size=4, num_workers=0, seed=1), tmp_path)
    assert [row[2] for row in other] != [row[2] for row in seen]


def test_resuming_with_another_seed_warns(toy, tmp_path):
    path = tmp_path / "stopped.ckpt"
    arguments = {"instances": 20, "batch_size": 4, "num_workers": 0}
    run(toy(**arguments), tmp_path, stop=Stop(path, "batch_end", 0, 1))
    with pytest.warns(UserWarning, match="seed=0, this run has seed=3"):
        run(toy(**arguments, seed=3), tmp_path, checkpoint=path)


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_leave_the_global_random_state_alone(toy, workers):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    datamodule = toy(batch_size=4, num_workers=workers)
    for loader in (datamodule.train_dataloader(), datamodule.val_dataloader()):
        for _ in loader:
            pass
    assert torch.equal(torch.get_rng_state(), before)
