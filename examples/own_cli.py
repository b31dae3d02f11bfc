"""A LightningCLI of your own that takes MetAug's classes beside yours.

python examples/own_cli.py fit --config own_cli.yaml
"""

import sys
from pathlib import Path

import metaug.callbacks  # noqa: F401  (makes its classes known by their short names)
from metaug.datamodules import DigitsDataModule
from metaug.lightning_modules import MetAug
from pytorch_lightning.cli import LightningCLI


class MyCLI(LightningCLI):
    """Your options, links and defaults go here as in any LightningCLI."""

    def add_arguments_to_parser(self, parser) -> None:
        """Say the size of a feature once."""
        parser.set_defaults({"seed_everything": 0})
        parser.add_argument("--feature_dim", type=int, default=64, help="D, for both networks.")
        parser.link_arguments("feature_dim", "model.encoder.init_args.projection_dim")
        parser.link_arguments("feature_dim", "model.generator.init_args.feature_dim")


def main(arguments: list[str]) -> None:
    """Lightning's subcommands; without arguments, a short run of the config beside this file."""
    arguments = arguments or ["fit", "--config", str(Path(__file__).with_suffix(".yaml"))]
    cli = MyCLI(MetAug, DigitsDataModule, save_config_callback=None, args=arguments)
    print("knn:", float(cli.trainer.callback_metrics["val/knn_top1"]))


if __name__ == "__main__":
    main(sys.argv[1:])
