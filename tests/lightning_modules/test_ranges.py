"""Every number in a public signature has its range checked where it is taken in."""

import inspect
import math
from numbers import Real

import metaug.lightning_modules as room
import pytest
import torch
from metaug.lightning_modules.meta_gradient import meta_gradient

BACKBONE = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 4))
SIMILARITIES = {
    name: torch.full((2, 2), 0.5)
    for name in ("positive", "negative", "augmented_positive", "augmented_negative")
}
# what else a signature asks for
NEEDED = {
    "backbone": BACKBONE,
    "encoder": room.Encoder(BACKBONE),
    "encoders": [room.Encoder(BACKBONE)] * 2,
    **SIMILARITIES,
    "encode": lambda params: torch.zeros(2, 2, 4),
    "encoder_params": [],
    "objective": lambda features: features.sum(),
    "generator_params": [],
    "inner_lr": 0.1,
}
OPTIONAL = {
    ("MetAug", "micro_batch_size"),
    ("MetAug", "clip_norm"),
    ("MemoryBank", "num_instances"),
    ("OUCL", "margin"),
    ("oucl", "margin"),
    ("ResidualGenerator", "radius"),
    ("FineTuner", "num_classes"),
    ("LinearEvaluator", "num_classes"),
    ("meta_gradient", "inner_lr"),
}
WITHOUT_NUMBERS = (room.MetaGradient,)  # a result, not a setting


def numbers():
    """Every parameter of a public signature that takes a number."""
    public = [each for each in vars(room).values() if callable(each)]
    for made in [*public, meta_gradient]:
        if made in WITHOUT_NUMBERS or (isinstance(made, type) and issubclass(made, Exception)):
            continue
        for name, parameter in inspect.signature(made).parameters.items():
            default = parameter.default
            is_number = isinstance(default, Real) and not isinstance(default, bool)
            if is_number or (made.__name__, name) in OPTIONAL:
                yield made, name


def call(made, **arguments):
    signature = inspect.signature(made).parameters.values()
    needed = {p.name for p in signature if p.default is p.empty} & set(NEEDED)
    return made(**{name: NEEDED[name] for name in needed} | arguments)


@pytest.mark.parametrize("value", [math.nan, math.inf, -5])
@pytest.mark.parametrize(
    ("made", "name"), list(numbers()), ids=lambda given: getattr(given, "__name__", given)
)
def test_number_is_refused_by_name(made, name, value):
    with pytest.raises((TypeError, ValueError), match=f"{name}.* must be .*, got {value}"):
        call(made, **({"engine": "higher"} if "inner" in name else {}), **{name: value})


def test_the_signatures_hold_numbers():
    assert len(list(numbers())) > 45


@pytest.mark.parametrize("value", [[math.nan], [0], [-1], []])
def test_learning_rates(value):
    with pytest.raises(ValueError, match="learning_rates"):
        room.LinearEvaluator(BACKBONE, learning_rates=value)


def test_milestones():
    with pytest.raises(ValueError, match="milestones must be at least 1, got -2"):
        room.OptimizerSettings(milestones=[3, -2])


@pytest.mark.parametrize(
    "arguments",
    [{"momentum": 5}, {"decay": -2}, {"warmup_epochs": math.nan}, {"lr": 0}, {"weight_decay": -1}],
    ids=str,
)
def test_optimizer_settings(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be"):
        room.OptimizerSettings(**arguments)
