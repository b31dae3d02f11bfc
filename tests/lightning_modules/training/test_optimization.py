"""Optimizers, schedules and clipping against their closed forms."""

import math

import pytest
import timm
import torch
from metaug.lightning_modules import OptimizerSettings
from metaug.lightning_modules.training.optimization import clip_by_norm
from timm.optim import param_groups_layer_decay
from torch import nn

PER_EPOCH, TOTAL = 5, 40


def cosine(step):
    if step < 10:
        return (step + 1) / 11
    return 0.5 * (1 + math.cos(math.pi * (step - 10) / 30))


def steps(step):
    return 0.5 ** ((step >= 15) + (step >= 30))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"schedule": "constant"}, lambda step: 1.0),
        ({"schedule": "cosine", "warmup_epochs": 2}, cosine),
        ({"schedule": "step", "milestones": [3, 6], "decay": 0.5}, steps),
        ({"schedule": "constant", "warmup_epochs": 0.6}, lambda step: min(1.0, (step + 1) / 4)),
    ],
)
def test_schedules(settings, expected):
    chosen = OptimizerSettings(lr=0.2, **settings)
    optimizer = chosen.build(nn.Linear(2, 2))
    schedule = chosen.build_schedule(optimizer, PER_EPOCH, TOTAL)
    rates = []
    for _ in range(TOTAL):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.2 * expected(step) for step in range(TOTAL)], rel=1e-12)


def test_cosine_ends_at_zero():
    assert OptimizerSettings().factor(TOTAL, PER_EPOCH, TOTAL) == pytest.approx(0, abs=1e-12)


def test_no_decay_of_biases_and_norms():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    groups = OptimizerSettings(weight_decay=0.1).build(module).param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert len(decay) == 4
    assert decay[id(module[0].weight)] == 0.1
    assert decay[id(module[0].bias)] == decay[id(module[1].weight)] == 0


@pytest.mark.parametrize("architecture", ["resnet18", "vit_tiny_patch16_224", "convnext_atto"])
def test_layer_decay_is_that_of_timm_with_a_head_above(architecture):
    backbone = timm.create_model(architecture, num_classes=0)
    module = nn.ModuleDict({"backbone": backbone, "projection": nn.Linear(2, 2)})
    settings = OptimizerSettings("adamw", lr=0.2, weight_decay=0.1, layer_decay=0.5)
    optimizer = settings.build(module)
    found = by_parameter(optimizer.param_groups, "lr")
    assert found[id(module["projection"].weight)] == found[id(module["projection"].bias)] == 0.2
    groups = param_groups_layer_decay(backbone, weight_decay=0.1, layer_decay=0.5)
    scales, decays = by_parameter(groups, "lr_scale"), by_parameter(groups, "weight_decay")
    found_decays = by_parameter(optimizer.param_groups, "weight_decay")
    assert len(found) == len(scales) + 2
    for parameter, scale in scales.items():
        assert found[parameter] == pytest.approx(0.2 * 0.5 * scale)
        assert found_decays[parameter] == decays[parameter]
    assert min(found.values()) < 0.2 * 0.5**3


def by_parameter(groups, key):
    return {id(param): group[key] for group in groups for param in group["params"]}


def test_schedules_scale_each_layers_rate():
    module = timm.create_model("resnet18", num_classes=0, layers=[1, 1, 1, 1])
    settings = OptimizerSettings(lr=0.2, layer_decay=0.5, schedule="cosine")
    optimizer = settings.build(module)
    peaks = [group["lr"] for group in optimizer.param_groups]
    schedule = settings.build_schedule(optimizer, PER_EPOCH, TOTAL)
    optimizer.step()
    schedule.step()
    rates = [group["lr"] for group in optimizer.param_groups]
    factor = settings.factor(1, PER_EPOCH, TOTAL)
    assert rates == pytest.approx([peak * factor for peak in peaks])


def test_what_does_not_train_is_in_no_group():
    module = timm.create_model("resnet18", num_classes=0, layers=[1, 1, 1, 1])
    module.layer1.requires_grad_(False)
    for layer_decay in (1.0, 0.5):
        groups = OptimizerSettings(layer_decay=layer_decay).build(module).param_groups
        stepped = by_parameter(groups, "lr")
        assert stepped.keys() == {id(p) for p in module.parameters() if p.requires_grad}


def test_layers_of_unknown_order():
    with pytest.raises(ValueError, match=r"layers of Linear is not known: .* layer_decay at 1"):
        OptimizerSettings(layer_decay=0.5).build(nn.Linear(2, 2))


@pytest.mark.parametrize("name", ["sgd", "momentum", "adamw", "lars", "lamb"])
def test_names_build_optimizers(name):
    optimizer = OptimizerSettings(name=name, lr=0.3).build(nn.Linear(2, 2))
    assert optimizer.param_groups[0]["lr"] == 0.3
    nesterov = optimizer.param_groups[0].get("nesterov", False)
    assert bool(nesterov) == (name == "sgd")


def test_clipping():
    grads = [torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])]
    before = [grad.clone() for grad in grads]
    torch.testing.assert_close(clip_by_norm(grads, 10.0), before)
    clipped = [torch.tensor([0.6, 0.0]), torch.tensor([[0.8]])]
    torch.testing.assert_close(clip_by_norm(grads, 1.0), clipped)
    assert all(map(torch.equal, grads, before))  # what is logged after is not clipped


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lr": 0.0}, "lr must be greater than 0, got 0.0"),
        ({"schedule": "linear"}, "schedule 'linear' is unknown; use one of constant, cosine"),
        ({"layer_decay": 0.0}, "layer_decay must be greater than 0"),
        ({"layer_decay": 1.5}, "layer_decay must be .* 1"),
        ({"warmup_epochs": -1}, "warmup_epochs must be at least 0, got -1"),
    ],
)
def test_wrong_settings(settings, words):
    with pytest.raises(ValueError, match=words):
        OptimizerSettings(**settings)


def test_unknown_optimizer():
    with pytest.raises(ValueError, match=r"optimizer 'sgdx' cannot be built .* use sgd, adamw"):
        OptimizerSettings(name="sgdx").build(nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("settings", "epoch", "words"),
    [
        ({}, 5, "cosine schedule needs to know when training ends"),
        (
            {"schedule": "constant", "warmup_epochs": 1},
            math.inf,
            "the training loader has no length",
        ),
        ({"schedule": "step"}, math.inf, "the training loader has no length"),
    ],
)
def test_schedules_without_an_end(settings, epoch, words):
    chosen = OptimizerSettings(**settings)
    with pytest.raises(ValueError, match=words):
        chosen.build_schedule(chosen.build(nn.Linear(2, 2)), epoch, math.inf)
