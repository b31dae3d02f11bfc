import os
import zipfile
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from metaug.run_folder import check_readable, claim_folder, newest_checkpoint


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


def whole(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": {"weight": torch.rand(1000)}}, path)
    return path


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


BROKEN = {
    "cut": cut,
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"\x80\x02garbage" * 100),
    "damaged": damage,
    "another zip": lambda path: zipfile.ZipFile(path, "w").writestr("notes.txt", "notes"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_last_passes_over_a_broken_checkpoint_and_says_so(kind):
    trainer = Trainer(logger=CSVLogger("runs", "toy"), accelerator="cpu")
    first = whole(Path("runs/toy/version_0/checkpoints/last.ckpt"))
    broken = whole(Path("runs/toy/version_1/checkpoints/last.ckpt"))
    BROKEN[kind](broken)
    os.utime(broken, (2e9, 2e9))
    with pytest.warns(UserWarning, match=r"version_1/checkpoints/last\.ckpt is passed over: "):
        assert newest_checkpoint(trainer) == first
    with pytest.raises(ValueError, match=r"last\.ckpt cannot be read: .* --ckpt_path last takes"):
        check_readable(broken)
    check_readable(first)


def test_last_among_broken_checkpoints_alone():
    trainer = Trainer(logger=CSVLogger("runs", "toy"), accelerator="cpu")
    cut(whole(Path("runs/toy/version_0/checkpoints/last.ckpt")))
    with pytest.warns(UserWarning, match="passed over"), pytest.raises(ValueError, match="none of"):
        newest_checkpoint(trainer)


def test_addresses_and_words_are_left_to_lightning():
    for path in ("best", "https://example.org/model.ckpt", "missing.ckpt"):
        check_readable(path)
