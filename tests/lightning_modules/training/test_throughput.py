"""Images per second, once enough steps were counted."""

import pytest
import torch
from metaug.lightning_modules.training import throughput


def test_rate_over_the_window(monkeypatch):
    clock = iter([0.0, 1.0, 3.0, 7.0])
    monkeypatch.setattr(throughput, "perf_counter", lambda: next(clock))
    rate = throughput.ImagesPerSecond(window=3)
    device = torch.device("cpu")
    assert rate.add(8, device) is None
    assert rate.add(8, device) is None
    assert float(rate.add(16, device)) == pytest.approx(24 / 3)
    assert float(rate.add(8, device)) == pytest.approx(24 / 6)
