import pytest
import torch
from metaug.datamodules import UnreadableImageError, read_image
from metaug.lightning_modules import Encoder
from torch.utils.data import DataLoader, Dataset

from metaug.cli import configs_first
from metaug.user_errors import explain


def caught(function, *args) -> BaseException:
    with pytest.raises(BaseException) as info:  # noqa: PT011 - any
        function(*args)
    return info.value


def test_error_raised_on_purpose_is_explained():
    error = caught(Encoder, "resnet18x")
    assert explain(error) == str(error)
    assert "resnet18x" in str(error)


def test_error_out_of_a_library_call_in_our_code_is_a_bug():
    encoder = Encoder("resnet10t", small_images=True, projection_dim=8)
    error = caught(encoder.projection, torch.zeros(2, 3))  # shapes that do not fit
    assert isinstance(error, RuntimeError)
    assert explain(error) is None


def test_error_that_our_own_line_brings_about_is_a_bug():
    error = caught(configs_first, [3])  # has no `partition`
    assert isinstance(error, AttributeError)
    assert explain(error) is None


def test_error_in_a_users_own_code_keeps_its_traceback():
    def own():
        raise ValueError("theirs")

    assert explain(caught(own)) is None


def test_missing_file_is_named():
    assert explain(caught(open, "nowhere.txt")) == "nowhere.txt: No such file or directory"


class Unreadable(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return read_image("broken.png", channels=3)


class Buggy(Unreadable):
    def __getitem__(self, index):
        return [][index]


def first_batch(data: Dataset) -> None:
    next(iter(DataLoader(data, num_workers=1, multiprocessing_context="fork")))


def test_error_of_a_loader_worker_is_explained_without_its_traceback(tmp_path):
    (tmp_path / "broken.png").write_text("no image")
    message = explain(caught(first_batch, Unreadable()))
    assert message is not None
    assert "broken.png" in message
    assert "Traceback" not in message


def test_bug_in_a_loader_worker_keeps_its_traceback():
    error = caught(first_batch, Buggy())
    assert explain(error) is None


def test_unreadable_image_is_an_error_of_ours():
    assert UnreadableImageError.__module__.startswith("metaug.")
