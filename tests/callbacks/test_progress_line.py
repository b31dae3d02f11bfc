import io
import re

import pytest
import rich
from metaug.callbacks import KNNProbe, LinearProbe, ProgressLine
from metaug.callbacks.progress_line import short

from .test_with_metaug import fit


@pytest.fixture
def terminal():
    """What is written to a terminal of 80 columns."""
    written = io.StringIO()
    yield written
    rich.reconfigure()


def frames(terminal):
    text = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())  # colors
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "\n", text)  # movements
    return [line.rstrip() for line in re.split(r"[\r\n]+", text)]


def test_no_metric_wraps_at_80_columns(tmp_path, terminal):
    console = {"file": terminal, "width": 80, "force_terminal": True, "no_color": True}
    bar = ProgressLine(console_kwargs=console)
    fit(tmp_path, [KNNProbe(k=5), LinearProbe(), bar], enable_progress_bar=True)
    lines = frames(terminal)
    last = [line for line in lines if "Epoch 1/1" in line and "5/5" in line][-1]
    assert re.search(r"loss: \S+ gap: \S+ kNN: \d+\.\d linear: \d+\.\d$", last)
    assert max(map(len, lines)) <= 80
    assert all("Epoch" in line for line in lines if "loss" in line)


@pytest.mark.parametrize(
    ("metric", "shown"),
    [
        (("val/knn_top1", 0.4412), ("kNN", "44.1")),
        (("val/linear_top5", 1.0), ("linear top-5", "100.0")),
        (("train/meta_gap", 0.31649), ("gap", "0.316")),
        (("train/loss_step", 3.8142), ("loss", "3.81")),
        (("lr", "high"), ("lr", "high")),
    ],
)
def test_short_names(metric, shown):
    assert short(*metric) == shown
