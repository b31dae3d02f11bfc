"""Oracle: the pages that the system had to clear, as it counts them itself."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")

BLOCKS, MIB = 6, 200  # larger than what is free in the heap by chance
SCRIPT = f"""
import resource
import torch

def faults() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range({BLOCKS}):
        torch.ones({MIB} * 2**18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
"""
BY_HAND = """
import torch
from metaug.lightning_modules.allocation import keep_freed_memory
keep_freed_memory(torch.device("DEVICE"))
"""
ON_CPU = BY_HAND.replace("DEVICE", "cpu")
BY_A_FIT = """
import pytorch_lightning as pl
from metaug.datamodules import DigitsDataModule
from metaug.lightning_modules import Encoder, MetAug
trainer = pl.Trainer(max_steps=1, accelerator="cpu", logger=False, enable_checkpointing=False,
                     enable_progress_bar=False, enable_model_summary=False)
trainer.fit(MetAug(Encoder("resnet18", small_images=True, image_channels=1)), DigitsDataModule())
"""


def pages_cleared(preparation: str, **environment: str) -> float:
    """How often each page of a block was cleared when one took the place of another."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{preparation}\n{SCRIPT}\nprint(faults())"],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1]) * os.sysconf("SC_PAGE_SIZE") / (BLOCKS * MIB * 2**20)


@pytest.mark.parametrize("preparation", [ON_CPU, BY_A_FIT], ids=["by hand", "by a fit"])
def test_freed_blocks_are_used_again(preparation):
    assert pages_cleared(preparation) < 0.1


def test_for_another_device_nothing_is_set():
    assert pages_cleared(BY_HAND.replace("DEVICE", "cuda")) > 0.5


def test_a_setting_of_the_users_own_stays():
    assert pages_cleared(ON_CPU, MALLOC_MMAP_THRESHOLD_="33554432") > 0.5
