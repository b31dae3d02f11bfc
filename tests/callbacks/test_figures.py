"""The callbacks that draw: what they need, when they draw nothing."""

import pytest
from metaug.callbacks import FeatureMap, TrainingCurves, ViewsGrid

from .probing.test_probe import fit, probes


def test_nothing_is_drawn_in_a_trial(tmp_path):
    callbacks = [*probes(), ViewsGrid(), FeatureMap(), TrainingCurves()]
    fit(tmp_path, callbacks[:2] + callbacks[3:], fast_dev_run=True)
    assert list(tmp_path.rglob("*.png")) == []


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: FeatureMap(method="mds"), "mds"),
        (lambda: FeatureMap(max_points=1), "max_points=1"),
        (lambda: ViewsGrid(images=0), "images=0"),
        (lambda: TrainingCurves(every_n_epochs=0), "every_n_epochs=0"),
    ],
)
def test_bad_arguments_are_named(make, named):
    with pytest.raises(ValueError, match=named):
        make()
