"""MetAug in a pipeline that Hydra configures; every part is a `_target_`.

pip install hydra-core && python examples/hydra_pipeline.py model.meta.engine=exact
"""

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig


@hydra.main(version_base=None, config_path="hydra_conf", config_name="metaug")
def main(config: DictConfig) -> None:
    trainer = instantiate(config.trainer)
    model = instantiate(config.model)
    trainer.fit(model, datamodule=instantiate(config.data))
    print("engine:", model.meta.engine, "knn:", float(trainer.callback_metrics["val/knn_top1"]))


if __name__ == "__main__":
    main()
