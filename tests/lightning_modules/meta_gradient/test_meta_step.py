"""Settings of the meta step are checked where they are made."""

import pytest
from metaug.lightning_modules import EngineError, MetaStep


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"inner_lr": 0.0},
            "look-ahead rate, must be greater than 0, got 0.0; 0.05 is a good start",
        ),
        ({"inner_lr": -1.0}, "must be greater than 0, got -1.0"),
        ({"engine": "fast"}, "engine 'fast' is unknown; use one of lookahead"),
        ({"every": 0}, "meta every must be at least 1, got 0"),
        ({"audit_every": -1}, "meta audit_every must be at least 0, got -1"),
    ],
)
def test_wrong_values(settings, words):
    with pytest.raises(ValueError, match=words):
        MetaStep(**settings)


def test_what_the_engine_cannot_do():
    with pytest.raises(EngineError, match=r"inner_steps=3.*use engine 'higher'"):
        MetaStep(inner_steps=3)
    assert MetaStep(engine="higher", inner_steps=3, inner_optimizer="adam").inner_steps == 3
