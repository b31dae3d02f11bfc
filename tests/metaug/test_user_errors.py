"""Errors and warnings as a user of the command line sees them."""

import os
import subprocess
import sys
import warnings

import pytest
import torch
from metaug.datamodules import UnreadableImageError, read_image
from metaug.lightning_modules import Encoder
from metaug.lightning_modules.meta_gradient.errors import EngineError
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader, Dataset

from metaug.options import configs_first
from metaug.user_errors import MAX_LINES, explain, how_to_trace, warning_lines
from tests.configs import tiny_data


def caught(function, *args) -> BaseException:
    with pytest.raises(BaseException) as info:  # noqa: PT011 - any
        function(*args)
    return info.value


def test_value_that_a_class_refuses_is_explained():
    error = caught(Encoder, "resnet18x")
    assert explain(error) == str(error)
    assert "resnet18x" in str(error)


def test_shapes_that_do_not_fit_are_a_bug():
    encoder = Encoder("resnet10t", small_images=True, projection_dim=8)
    error = caught(encoder.projection, torch.zeros(2, 3))
    assert isinstance(error, RuntimeError)
    assert explain(error) is None


def test_attribute_that_is_not_there_is_a_bug():
    error = caught(configs_first, [3])  # has no `partition`
    assert isinstance(error, AttributeError)
    assert explain(error) is None


class OwnError(ValueError):
    """Of a user's own module."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("batch_size=0 is too small"),
        OwnError("theirs"),
        TypeError("no such thing"),
        OSError("disk full"),
        ModuleNotFoundError("FeatureMap needs umap"),
        NotImplementedError("Data must say in `load` what its data are"),
        EngineError("engine 'exact' needs derivatives"),
        MisconfigurationException("No supported gpu backend found!"),
        KeyError("The checkpoint contains only the model."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_error_of_a_users_class_is_its_message(error):
    assert explain(error) == str(error.args[0])
    assert type(error).__name__ in how_to_trace(error)
    assert "METAUG_TRACEBACK=1" in how_to_trace(error)


@pytest.mark.parametrize(
    "error",
    [
        AssertionError("cannot be"),
        AttributeError("no attribute"),
        RuntimeError("CUDA error"),
        KeyError("a key"),
        IndexError("list index out of range"),
        ZeroDivisionError("division by zero"),
        NotImplementedError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_error_of_another_class_keeps_its_traceback(error):
    assert explain(error) is None


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "micro_batch_size"),
        (RuntimeError("CUDA out of memory. Tried to"), "micro_batch_size"),
        (MemoryError(), "micro_batch_size"),
        (RuntimeError("PytorchStreamWriter failed writing file data/3"), "default_root_dir"),
        (OSError(28, "No space left on device", "last.ckpt"), "make room on the disk"),
        (RuntimeError("api_key not configured (no-tty)"), "WANDB_MODE=offline"),
        (RuntimeError("Early stopping conditioned on metric `x`"), "monitor a score"),
    ],
    ids=str,
)
def test_what_the_machine_lacks_is_said_with_what_to_do(error, hint):
    message = explain(error)
    assert str(error.args[-1] if error.args else "MemoryError").partition(". ")[0] in message
    assert hint in message


def test_missing_file_is_named():
    assert explain(caught(open, "nowhere.txt")) == "nowhere.txt: No such file or directory"


def test_long_message_is_cut():
    lines = explain(ValueError("\n".join(map(str, range(30))))).splitlines()
    assert len(lines) == MAX_LINES
    assert lines[-1] == "... (19 more lines)"


class Unreadable(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return read_image("broken.png", channels=3)


class TwoLines(Unreadable):
    def __getitem__(self, index):
        raise ValueError(f"sample {index} is empty:\nmend it")


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


def test_message_of_several_lines_of_a_loader_worker():
    assert explain(caught(first_batch, TwoLines())) == "sample 0 is empty:\nmend it"


def test_bug_in_a_loader_worker_keeps_its_traceback():
    error = caught(first_batch, Buggy())
    assert explain(error) is None


def test_unreadable_image_is_an_error_of_ours():
    assert UnreadableImageError.__module__.startswith("metaug.")


QUIET = [
    "--trainer.max_epochs=1",
    "--trainer.accelerator=cpu",
    "--trainer.log_every_n_steps=1",
    "--trainer.enable_progress_bar=false",
    "--data.init_args.batch_size=4",
    "--data.init_args.num_workers=0",
]


def test_unlabelled_images_get_one_warning_of_one_line(tmp_path):
    folder = tiny_data.image_folder(tmp_path / "data")
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted(folder.rglob("*.png"))[:8]):
        path.rename(flat / f"{number}.png")
    command = [sys.executable, "-m", "metaug", "fit", "--config", "image_folder.yaml", *QUIET]
    done = subprocess.run(
        [*command, f"--data.init_args.root={flat}"],
        timeout=200,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "UserWarning" not in done.stderr
    (warned,) = [line for line in done.stderr.splitlines() if "arning" in line]
    assert warned == (
        "metaug: warning: val/knn_top1, val/linear_top1, FeatureMap will not run: the data has no "
        "validation images (and no labels, which probes need). Give it a validation split, or pass "
        "queries=."
    )
    assert "before training" not in done.stdout


def test_the_form_of_warnings_is_put_back(monkeypatch):
    before = warnings.formatwarning
    with warning_lines():
        line = warnings.formatwarning("so", UserWarning, "file.py", 1)
        assert line == "metaug: warning: so\n"
    assert warnings.formatwarning is before
    monkeypatch.setenv("METAUG_TRACEBACK", "1")
    with warning_lines():
        assert warnings.formatwarning is before


def test_filters_set_inside_end_with_it():
    before = list(warnings.filters)
    with warning_lines():
        warnings.filterwarnings("ignore", "anything")
    assert warnings.filters == before
