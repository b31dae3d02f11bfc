"""The steps whose values are computed and read are those that loggers write."""

import pytest
import pytorch_lightning as pl
from metaug.lightning_modules.training.logged_steps import is_logged
from pytorch_lightning.loggers import CSVLogger

from ..tiny import fit, loader, tiny_metaug


class Steps(pl.Callback):
    def __init__(self, accumulate=1):
        self.accumulate = accumulate
        self.logged = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if is_logged(trainer, self.accumulate):
            self.logged.append(trainer.fit_loop.epoch_loop.total_batch_idx)


@pytest.mark.parametrize(
    ("accumulate", "every", "expected"),
    [
        # two epochs of 7 batches, numbered from 0; the first step, each third, an epoch's last
        (1, 3, [0, 2, 5, 6, 8, 11, 13]),
        (1, 100, [0, 6, 13]),
        # loggers write at 3, 7, 11 what the steps that ended with 3, 6, 10 logged
        (2, 4, [2, 3, 6, 7, 10, 11, 13]),
    ],
)
def test_logged_steps(accumulate, every, expected):
    steps = Steps(accumulate)
    model = tiny_metaug(accumulate=accumulate)
    fit(model, loader(28), callbacks=[steps], max_epochs=2, log_every_n_steps=every)
    first = [0, 1] if accumulate > 1 else [0]  # before the first step ends
    assert [step for step in steps.logged if step not in first] == [
        step for step in expected if step not in first
    ]


def test_loggers_write_each_logged_value_when_it_is_new(tmp_path):
    logger = CSVLogger(tmp_path, name="", version="")
    fit(tiny_metaug(), loader(28), logger=logger, log_every_n_steps=3)
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    losses = [row.split(",")[rows[0].split(",").index("train/loss")] for row in rows[1:]]
    assert len(set(losses)) == len(losses) == 2
