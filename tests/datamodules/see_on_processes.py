"""Record what each process of a run sees; started by torchrun in `test_processes.py`."""

import json
import os
import sys
from pathlib import Path

import pytorch_lightning as pl
import torch
from metaug.datamodules import (
    InMemorySource,
    MultiViewDataModule,
    Splits,
    WebDatasetDataModule,
)
from metaug.datamodules.loading import held
from metaug.datamodules.sources.image_source import SubsetSource
from pytorch_lightning.callbacks import Callback


class Noise(MultiViewDataModule):
    def __init__(self, val_images=21, **kwargs):
        super().__init__(**kwargs)
        self.val_images = val_images

    def load(self):
        generator = torch.Generator().manual_seed(1)
        images = torch.randint(0, 256, (21, 3, 8, 8), dtype=torch.uint8, generator=generator)
        source = InMemorySource(images, torch.arange(21) % 3, list("abc"))
        return Splits(train=source, val=SubsetSource(source, range(self.val_images)))


class Recorder(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.norm = torch.nn.BatchNorm1d(1)  # whose buffers DDP sends before every step
        self.train_seen, self.val_seen = [], []

    def training_step(self, batch, batch_idx):
        sums = sum(view.double().sum((1, 2, 3)) for view in batch.views)
        images = sorted(zip(batch.index.tolist(), sums.tolist(), strict=True))
        self.train_seen.append([self.current_epoch, batch_idx, images])
        return (self.weight * self.norm(self.weight.expand(2, 1))).sum() * 0

    def validation_step(self, batch, batch_idx):
        self.val_seen += batch.index[batch.target >= 0].tolist()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Stop(Callback):
    def __init__(self, path):
        self.path = path

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == (1, 1):
            trainer.save_checkpoint(self.path)
            trainer.should_stop = True


def see(folder, mode, val_images=21, eval_batch_size=256, shards=None):
    """Run once: to the end, up to the middle of an epoch, or from there on; or with held images.

    Of noise, or of shards.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    checkpoint = Path(folder) / "stopped.ckpt"
    module = Recorder()
    trainer = pl.Trainer(
        max_epochs=3,
        accelerator="cpu",
        devices=world_size,
        strategy="ddp" if world_size > 1 else "auto",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0 if mode == "resume" else 1.0,
        callbacks=[Stop(checkpoint)] if mode == "stop" else [],
        default_root_dir=folder,
    )
    arguments = {"image_size": 8, "batch_size": 4 // world_size, "num_workers": 0}
    if shards is None:
        data = Noise(
            val_images,
            eval_batch_size=eval_batch_size,
            augment_on="device" if mode == "held" else "auto",
            **arguments,
        )
    else:
        data = WebDatasetDataModule(shards, shuffle_buffer=4, **arguments)
    held.free_memory = lambda device: 1 << 40 if mode == "held" else 0
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint if mode == "resume" else None)
    return {"train": module.train_seen, "val": module.val_seen}


if __name__ == "__main__":
    shards = sys.argv[3] if "--shards" in sys.argv else None
    modes = ("whole", "stop", "resume") + (() if shards else ("held",))
    seen = {mode: see(sys.argv[1], mode, shards=shards) for mode in modes}
    if not shards:  # one process has a batch fewer, or would have none
        seen |= {f"val {n}": see(sys.argv[1], "whole", n, 2) for n in (5, 1)}
    path = Path(sys.argv[1]) / f"seen-{os.environ['RANK']}.json"
    path.write_text(json.dumps(seen))
    torch.distributed.destroy_process_group()
