"""MetAug in a project laid out as lightning-hydra-template: `src/train.py` and `configs/`.

pip install hydra-core lightning

python src/train.py
python src/train.py experiment=exact trainer.max_epochs=2
python src/train.py -m model.meta.inner_lr=0.02,0.05

Runs lie in `logs/`. `import lightning` comes before MetAug's classes, which Hydra imports, so that
they are modules, data modules and callbacks of it.
"""

from pathlib import Path

import hydra
import lightning as L
from hydra.utils import instantiate
from omegaconf import DictConfig


def each_of(configs: DictConfig | None) -> list:
    """Callbacks or loggers by name; a null takes one of the defaults away."""
    chosen = (config for config in (configs or {}).values() if config is not None)
    return [instantiate(config) for config in chosen]


def train(config: DictConfig) -> L.Trainer:
    """Train, then test the checkpoint that scored best."""
    if config.get("seed") is not None:
        L.seed_everything(config.seed, workers=True)
    data = instantiate(config.data)
    model = instantiate(config.model)
    trainer = instantiate(
        config.trainer, callbacks=each_of(config.callbacks), logger=each_of(config.logger)
    )
    if config.train:
        trainer.fit(model, datamodule=data, ckpt_path=config.ckpt_path)
    if config.test:
        best = trainer.checkpoint_callback.best_model_path or None
        trainer.test(model, datamodule=data, ckpt_path=best)
    return trainer


@hydra.main(
    version_base="1.3",
    config_path=str(Path(__file__).parents[1] / "configs"),
    config_name="train",
)
def main(config: DictConfig) -> float:
    """Give the score to a sweeper of Hydra's."""
    score = float(train(config).callback_metrics[config.optimized_metric])
    print(f"{config.optimized_metric}: {score:.4f} in {config.paths.output_dir}")
    return score


if __name__ == "__main__":
    main()
