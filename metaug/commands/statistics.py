"""The command `metaug statistics`: what normalizes a data set's images, as a config."""

from metaug.options import configs_first, nulls_as_configs

USAGE = """\
usage: metaug statistics [--config NAME ...] --data CLASS [--data.KEY VALUE ...] [--output FILE]

Compute mean and standard deviation of each channel of the training images, print them, and write
them to a config. Images are taken as they are read, not resized; each pixel counts once.

  --config NAME            a config, of which the data alone are taken
  --data CLASS             ImageFolderDataModule, or another data module
  --data.root FOLDER       where the images are
  --data.image_channels 5  number of channels
  --output FILE            where to write; by default metaug_statistics.yaml beside the data

  metaug statistics --data ImageFolderDataModule --data.root FOLDER --data.image_channels 5
  metaug fit --config image_folder.yaml --data.root FOLDER --config FOLDER/metaug_statistics.yaml
"""


def run(options: list[str]) -> int:
    """Compute the statistics and write them.

    Args:
        options: What follows the command.
    """
    from metaug.data_statistics import write_statistics  # takes seconds: torch, Lightning

    write_statistics(nulls_as_configs(configs_first(options)))
    return 0
