import pytest
from metaug.callbacks.plotting.curves import draw_curves, smooth
from metaug.callbacks.plotting.history import History


def test_smoothing_keeps_length_and_constants():
    assert smooth([3.0] * 200).tolist() == pytest.approx([3.0] * 200)
    assert len(smooth([1.0])) == 1


def test_a_score_that_is_no_share_has_a_panel_of_its_own():
    history = History()
    history.add("val/knn_top1", 1, 0.5)
    history.add("val/representation_infonce", 1, 0.7)
    panels = {axes.get_title(loc="left"): axes for axes in draw_curves(history).axes}
    shown = {title: axes.lines[-1].get_ydata()[-1] for title, axes in panels.items() if axes.lines}
    assert shown == {"probes": 50, "InfoNCE of the representation": 0.7}
