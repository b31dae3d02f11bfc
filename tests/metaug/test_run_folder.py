from pathlib import Path

from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from metaug.run_folder import claim_folder


class LooksTooEarly(CSVLogger):
    """Looks for a free version before the other runs make their folders."""

    looked = False

    def _get_next_version(self):
        number = super()._get_next_version() if self.looked else 0
        self.looked = True
        return number


def test_runs_that_start_together_get_folders_of_their_own():
    for number in range(3):
        loggers = [LooksTooEarly("runs", "toy"), TensorBoardLogger("runs", "toy")]
        folder = claim_folder(loggers)
        assert folder == Path(f"runs/toy/version_{number}")
        assert [Path(logger.log_dir) for logger in loggers] == [folder, folder]


def test_version_of_the_users_own_is_left():
    logger = CSVLogger("runs", "toy", version="mine")
    assert claim_folder([logger]) is None
    assert logger.version == "mine"


def test_no_file_logger():
    assert claim_folder([]) is None
