import subprocess
import sys

import pytest
import torch
from metaug.callbacks.checkpointing.atomic_io import AtomicCheckpointIO


class BreaksOff:
    """Fails in the middle of being written."""

    def __reduce__(self):
        raise RuntimeError("broken off")


def test_a_write_that_breaks_off_keeps_the_file_before(tmp_path):
    path = tmp_path / "last.ckpt"
    io = AtomicCheckpointIO()
    io.save_checkpoint({"weight": torch.ones(3)}, path)
    with pytest.raises(OSError, match="broken off"):
        io.save_checkpoint({"weight": torch.zeros(3), "then": BreaksOff()}, path)
    assert torch.equal(io.load_checkpoint(path)["weight"], torch.ones(3))
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


KILLED = """
import os, signal, sys
from metaug.callbacks.checkpointing.atomic_io import AtomicCheckpointIO
import torch
AtomicCheckpointIO().save_checkpoint({"weight": torch.ones(3)}, "last.ckpt")
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
AtomicCheckpointIO().save_checkpoint({"weight": torch.zeros(3)}, "last.ckpt")
"""


def test_a_process_killed_while_it_writes_leaves_a_whole_file(tmp_path):
    assert subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path).returncode == -9
    assert torch.equal(torch.load(tmp_path / "last.ckpt")["weight"], torch.ones(3))


FULL = """
import resource
from metaug.callbacks.checkpointing.atomic_io import AtomicCheckpointIO
import signal, torch
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    AtomicCheckpointIO().save_checkpoint({"weight": torch.ones(10_000)}, "last.ckpt")
except OSError as error:
    print(error)
"""


def test_a_full_disk_is_an_os_error_that_names_the_file(tmp_path):
    command = [sys.executable, "-c", FULL]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "last.ckpt" in run.stdout, run.stderr
    assert not list(tmp_path.iterdir())
