"""MetAug, its data and every callback under a Trainer of `lightning`, not `pytorch_lightning`.

pip install lightning && python examples/lightning_trainer.py
"""

# ruff: noqa: E402
# isort: off
import metaug

metaug.use_lightning()  # first: whoever imports pytorch_lightning from here on gets lightning

import lightning as L
from metaug import callbacks
from metaug.datamodules import DigitsDataModule
from metaug.lightning_modules import AugmentationGenerator, Encoder, MetAug


def main() -> None:
    encoder = Encoder(
        "resnet18",
        small_images=True,
        image_channels=1,
        projection_dim=32,
        backbone_args={"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16]},
    )
    model = MetAug(encoder, generator=AugmentationGenerator(32))
    data = DigitsDataModule(batch_size=64, labels_per_class=5)
    trainer = L.Trainer(
        max_epochs=1,
        limit_train_batches=2,
        log_every_n_steps=1,
        accelerator="cpu",
        callbacks=[
            callbacks.KNNProbe(k=5),
            callbacks.LinearProbe(),
            callbacks.KNNGrid(k=[1, 5], temperature=[0.1], name="val/grid"),
            callbacks.RepresentationInfoNCE(max_images=100),
            callbacks.CollapseMonitor(),
            callbacks.GeneratorMonitor(),
            callbacks.AttractionMonitor(),
            callbacks.FeatureMap(),
            callbacks.ViewsGrid(),
            callbacks.TrainingCurves(),
            callbacks.ProgressLine(),
            callbacks.Checkpoint(save_last=True),
            callbacks.Export(),
            callbacks.WriteFeatures(),
            callbacks.Summary(),
            callbacks.Report(),
        ],
    )
    trainer.fit(model, datamodule=data)
    last = trainer.checkpoint_callback.last_model_path
    [scores] = trainer.validate(model, datamodule=data, ckpt_path=last)
    trainer.predict(model, datamodule=data)
    print("steps:", trainer.global_step, "knn:", scores["val/knn_top1"])


if __name__ == "__main__":
    main()
