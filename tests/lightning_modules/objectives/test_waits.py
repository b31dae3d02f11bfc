"""The objective does not wait for a device: seen on torch's `meta`, which has no values to read."""

import pytest
import torch
from metaug.lightning_modules import (
    OUCL,
    AugmentationGenerator,
    InfoNCE,
    MarginRegularization,
    MetAugObjective,
)
from metaug.lightning_modules.objectives import pairs

from benchmarks.launches import Launches


def waits(contrast, composition: str, views: int = 3) -> list[str]:
    """Of a second evaluation: row numbers and constants are made once a device, in the first."""
    objective = MetAugObjective(contrast, composition, margin=MarginRegularization())
    generator = AugmentationGenerator(8, views, 16).to("meta")
    features = torch.randn(6, views, 8, device="meta")
    for rows in (None, slice(2, 5)):
        objective(features, generator, rows=rows)
    with Launches("meta") as seen:
        objective(features, generator)
        objective(features, generator, rows=slice(2, 5))
    return list(seen.waits)


@pytest.mark.parametrize("contrast", [OUCL(), OUCL(margin=0.25), InfoNCE()])
@pytest.mark.parametrize("composition", ["unified", "substituted", "anchored"])
def test_an_evaluation_does_not_wait(contrast, composition):
    assert waits(contrast, composition) == []


def test_lists_as_indices_would_be_seen(monkeypatch):
    monkeypatch.setattr(pairs, "_take", lambda values, rows: values[torch.tensor(rows)])
    assert waits(OUCL(), "unified")
