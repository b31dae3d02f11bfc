"""Images per second since the rate was last read."""

import pytest
from metaug.lightning_modules.training import throughput


def test_rate_between_two_readings(monkeypatch):
    clock = iter([0.0, 4.0, 4.0, 10.0, 12.0, 12.0])
    monkeypatch.setattr(throughput, "perf_counter", lambda: next(clock))
    rate = throughput.ImagesPerSecond()
    rate.add(8)
    rate.add(8)
    assert rate.read() == pytest.approx(16 / 4)
    rate.add(100)
    rate.restart()  # a validation
    rate.add(6)
    assert rate.read() == pytest.approx(6 / 2)
