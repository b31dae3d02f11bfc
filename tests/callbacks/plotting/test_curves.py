import pytest
from metaug.callbacks.plotting.curves import smooth


def test_smoothing_keeps_length_and_constants():
    assert smooth([3.0] * 200).tolist() == pytest.approx([3.0] * 200)
    assert len(smooth([1.0])) == 1
