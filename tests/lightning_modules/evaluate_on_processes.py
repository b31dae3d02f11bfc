"""Linear evaluation on some processes: `python evaluate_on_processes.py PROCESSES OUTPUT`."""

import sys

import pytorch_lightning as pl
import torch
from metaug.datamodules import DigitsDataModule
from metaug.lightning_modules import Encoder, LinearEvaluator


def main(processes: int, output: str) -> None:
    torch.manual_seed(0)
    shape = {"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 8]}
    encoder = Encoder("resnet18", small_images=True, image_channels=1, backbone_args=shape)
    module = LinearEvaluator(encoder, learning_rates=[0.1, 1.0])
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=processes,
        strategy="ddp" if processes > 1 else "auto",
        max_epochs=3,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, datamodule=DigitsDataModule(batch_size=120 // processes))
    if trainer.is_global_zero:
        scores = {name: float(value) for name, value in trainer.callback_metrics.items()}
        scores = {name: value for name, value in scores.items() if name.startswith("val/")}
        heads = [weight.detach() for weight in module.heads.weight]
        torch.save({"scores": scores, "heads": heads}, output)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
