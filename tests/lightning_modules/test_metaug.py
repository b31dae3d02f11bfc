"""MetAug under a real Trainer: what a step does, what is counted, scheduled and logged."""

import copy
import math
from typing import get_args

import pytest
import torch
from metaug.lightning_modules import (
    OUCL,
    InfoNCE,
    MarginRegularization,
    MemoryBank,
    MetaStep,
    MetAugObjective,
    OptimizerSettings,
    PerViewEncoder,
)
from metaug.lightning_modules.meta_gradient import Engine, meta_gradient
from metaug.lightning_modules.networks.functional_encoder import FunctionalEncoder
from torch import nn

from .objectives.loops import nt_xent
from .tiny import CONSTANT, Trace, examples, fit, loader, tiny_encoder, tiny_metaug


def displaced(model, start) -> dict[str, torch.Tensor]:
    return {n: p.detach() - start[n] for n, p in model.named_parameters()}


def parameters(model) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters()}


def first_views(count: int = 4) -> list[torch.Tensor]:
    return [torch.stack(each) for each in zip(*(row[1] for row in examples(count)), strict=True)]


@pytest.mark.parametrize("engine", get_args(Engine))
def test_both_networks_take_the_step_made_by_hand(engine):
    model = tiny_metaug(meta=MetaStep(engine=engine, inner_lr=0.1))
    start = parameters(model)
    twin = copy.deepcopy(model)
    params = list(twin.encoder.parameters())
    names = [name for name, _ in twin.encoder.named_parameters()]
    expected = meta_gradient(
        FunctionalEncoder(twin.encoder, names, first_views()),
        params,
        lambda z: twin.objective(z, twin.generator).inner,
        list(twin.generator.parameters()),
        0.1,
        engine,
    )
    fit(model, loader(4))
    moved = displaced(model, start)
    grads = dict(zip([f"encoder.{n}" for n in names], expected.encoder, strict=True))
    names = [f"generator.{n}" for n, _ in twin.generator.named_parameters()]
    grads.update(zip(names, expected.generator, strict=True))
    for name, grad in grads.items():  # one SGD step: momentum is empty yet
        decay = 5e-4 * start[name] if start[name].ndim > 1 else 0.0
        torch.testing.assert_close(moved[name], -0.05 * (grad + decay), rtol=1e-4, atol=1e-6)
        assert moved[name].any() or not grad.any()


@pytest.mark.parametrize("engine", get_args(Engine))
def test_an_adversary_steps_the_other_way(engine):
    optimizer = OptimizerSettings("momentum", 0.05, weight_decay=0, schedule="constant")
    usual = tiny_metaug(
        objective=MetAugObjective(), meta=MetaStep(engine=engine), generator_optimizer=optimizer
    )
    adversary = copy.deepcopy(usual)
    adversary.objective.adversarial = True
    start = parameters(usual)
    for model in (usual, adversary):
        fit(model, loader(4))
    moved, opposed = displaced(usual, start), displaced(adversary, start)
    for name, move in moved.items():
        expected = -move if name.startswith("generator") else move
        torch.testing.assert_close(opposed[name], expected, rtol=1e-4, atol=1e-7)
    assert any(bool(move.any()) for name, move in moved.items() if name.startswith("generator"))


def test_global_step_counts_batches():
    assert fit(tiny_metaug(), max_epochs=2).global_step == 8
    trace = Trace()
    assert fit(tiny_metaug(), max_epochs=-1, max_steps=6, callbacks=[trace]).global_step == 6
    assert len(trace.logged) == 6


@pytest.mark.parametrize("norm", [False, True])
def test_buffers_move_once_a_step(norm):
    model = tiny_metaug(norm=norm, meta=MetaStep(audit_every=1))
    fit(model)
    counts = [int(b) for n, b in model.named_buffers() if n.endswith("num_batches_tracked")]
    assert counts == ([4, 4] if norm else [])


@pytest.mark.filterwarnings("ignore:Found 1 module")  # frozen on purpose
def test_a_frozen_batch_norm_stays_frozen():
    model = tiny_metaug(norm=True)
    norm = model.encoder.backbone[1].eval()
    for parameter in norm.parameters():
        parameter.requires_grad_(False)
    before = copy.deepcopy(norm.state_dict())
    fit(model)
    assert not norm.training
    assert model.encoder.training
    assert all(torch.equal(before[name], value) for name, value in norm.state_dict().items())
    assert model.encoder.projection[1].num_batches_tracked == 4


def test_without_a_generator_it_is_contrast_alone():
    model = tiny_metaug(generator=None)
    start, trace = parameters(model), Trace()
    leaves = list(model.encoder.parameters())
    loss = MetAugObjective(OUCL())(model.encoder(first_views())).inner
    expected = torch.autograd.grad(loss, leaves)
    trainer = fit(model, loader(4), callbacks=[trace])
    assert len(trainer.optimizers) == 1
    for name, grad in zip(start, expected, strict=True):
        decay = 5e-4 * start[name] if start[name].ndim > 1 else 0.0
        moved = displaced(model, start)[name]
        torch.testing.assert_close(moved, -0.05 * (grad + decay), rtol=1e-4, atol=1e-7)
    assert trace.logged[0]["train/loss"] == pytest.approx(float(loss.detach()), rel=1e-6)
    assert "train/meta_gap" not in trace.logged[0]
    with pytest.raises(ValueError, match="generator is null"):
        model.augment(torch.rand(2, 2, 8))


def test_with_info_nce_it_is_simclr():
    model, trace = tiny_metaug(generator=None, objective=MetAugObjective(InfoNCE(0.5))), Trace()
    features = model.features(first_views()).detach()
    fit(model, loader(4), callbacks=[trace])
    assert trace.logged[0]["train/loss"] == pytest.approx(nt_xent(features, 0.5), rel=1e-5)


def test_meta_step_every_third_batch():
    model, moved = tiny_metaug(meta=MetaStep(every=3)), []

    class Watch(Trace):
        def on_train_batch_start(self, trainer, module, *args):
            self.before = parameters(module.generator)

        def on_train_batch_end(self, trainer, module, *args):
            changed = displaced(module.generator, self.before)
            moved.append(any(bool(each.any()) for each in changed.values()))

    fit(model, loader(28), callbacks=[Watch()])
    assert moved == [True, False, False, True, False, False, True]


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize(
    "limits",
    [{"max_epochs": 4}, {"max_epochs": 9, "max_steps": 12}, {"max_epochs": -1, "max_steps": 12}],
)
def test_learning_rates_follow_their_schedules(limits, accumulate):
    cosine = OptimizerSettings(lr=0.3, schedule="cosine", warmup_epochs=1)
    step = OptimizerSettings("adamw", lr=0.01, schedule="step", milestones=[2], decay=0.5)
    model = tiny_metaug(encoder_optimizer=cosine, generator_optimizer=step, accumulate=accumulate)
    trace = Trace()
    # 5 batches: with accumulation 3 steps, the last one a short one
    trainer = fit(model, loader(20), callbacks=[trace], **limits)
    epoch = math.ceil(5 / accumulate)
    total = min(4 * epoch, 12) if limits["max_epochs"] == 4 else 12
    assert trainer.global_step == (4 * epoch if limits["max_epochs"] == 4 else 12)
    total = trainer.global_step
    rates = (
        trace.rates if accumulate == 1 else [r for i, r in enumerate(trace.rates) if i % 5 % 2 == 0]
    )
    assert len(rates) == total
    for number, (encoder, generator) in enumerate(rates):
        warm = (number + 1) / (epoch + 1)
        decayed = 0.5 * (1 + math.cos(math.pi * (number - epoch) / (total - epoch)))
        assert encoder == pytest.approx(0.3 * (warm if number < epoch else decayed))
        assert generator == pytest.approx(0.01 * (1.0 if number < 2 * epoch else 0.5))


def test_clipping_bounds_the_step_and_not_the_logged_gap():
    settings = OptimizerSettings("momentum", 1.0, weight_decay=0.0, schedule="constant")
    gaps = []
    for clip in (None, 0.01):
        model, trace = (
            tiny_metaug(encoder_optimizer=settings, generator_optimizer=settings, clip_norm=clip),
            Trace(),
        )
        start = parameters(model)
        fit(model, loader(4), callbacks=[trace])
        gaps.append(trace.logged[0]["train/meta_gap"])
    moved = displaced(model, start)
    for part in ("encoder", "generator"):
        norm = torch.cat([v.flatten() for n, v in moved.items() if n.startswith(part)]).norm()
        assert float(norm) == pytest.approx(0.01, rel=1e-3)
    assert gaps[0] == gaps[1]


def test_logs():
    trace = Trace()
    fit(
        tiny_metaug(
            meta=MetaStep(inner_lr=1e-4, audit_every=2),
            objective=MetAugObjective(margin=MarginRegularization(weight=0.5)),
        ),
        callbacks=[trace],
        log_every_n_steps=1,
    )
    first = trace.logged[0]
    assert set(first) == {
        "train/loss",
        "train/contrastive",
        "train/oucl",
        "train/margin",
        "train/meta_gap",
        "train/lookahead_error",
    }
    loss = first["train/contrastive"] + 0.5 * first["train/margin"]
    assert first["train/loss"] == pytest.approx(loss)
    assert first["train/oucl"] == first["train/contrastive"]
    assert 0 < first["train/lookahead_error"] < 0.05
    assert first["train/meta_gap"] > 0
    errors = [each["train/lookahead_error"] for each in trace.logged]
    assert errors[0] == errors[1] != errors[2] == errors[3]


def test_between_logged_steps_nothing_is_logged_and_the_weights_are_the_same():
    ends, logged = [], []
    for every in (1, 3):
        trace = Trace()
        model = tiny_metaug(objective=MetAugObjective(detach=True, margin=MarginRegularization()))
        fit(model, loader(28), callbacks=[trace], log_every_n_steps=every)
        ends.append(parameters(model))
        logged.append([each["train/meta_gap"] for each in trace.logged])
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    each = logged[0]
    assert len(set(each)) == 7
    # the first step, then those that loggers read, then the epoch's last
    assert logged[1] == [each[0], each[0], each[2], each[2], each[2], each[5], each[6]]


def test_an_audited_step_is_logged():
    trace = Trace()
    model = tiny_metaug(meta=MetaStep(inner_lr=1e-4, audit_every=2))
    fit(model, callbacks=[trace], log_every_n_steps=100)
    errors = [each["train/lookahead_error"] for each in trace.logged]
    assert errors[0] == errors[1] != errors[2]


def test_the_memory_bank_takes_the_number_of_views_from_an_encoder_of_its_own_views():
    encoder = PerViewEncoder([tiny_encoder(), tiny_encoder(seed=1)])
    bank = MemoryBank(4, num_instances=16)
    fit(tiny_metaug(encoder=encoder, generator=None, memory_bank=bank))
    assert bank.entries.shape == (16, 2, 8)


def test_the_memory_bank_gives_negatives_and_is_updated_once():
    bank = MemoryBank(8, num_instances=16)
    model = tiny_metaug(memory_bank=bank)
    bank.allocate(16, 2, 8)
    before = bank.entries.clone()
    features = model.features(first_views()).detach()
    draws = bank.draw(0)
    expected = model.objective(
        features, model.generator, negatives=draws, index=torch.arange(4)
    ).inner.detach()
    trace = Trace()
    fit(model, loader(4), callbacks=[trace])
    assert trace.logged[0]["train/loss"] == pytest.approx(float(expected), rel=1e-5)
    updated = nn.functional.normalize(0.5 * before[:4] + 0.5 * features, dim=-1)
    torch.testing.assert_close(bank.entries[:4], updated)
    assert torch.equal(bank.entries[4:], before[4:])


def test_what_other_pipelines_use():
    model = tiny_metaug()
    image = torch.randn(4, 1, 8, 8)
    assert model(image).shape == (4, 16)
    assert torch.equal(model(image), model.encoder.represent(image))
    features = model.features([image, image])
    assert features.shape == model.augment(features).shape == (4, 2, 8)
    assert torch.equal(model.predict_step((image, torch.zeros(4)), 0), model(image))
    assert model.validation_step((image,), 0) is None
    assert model.test_step((image,), 0) is None


@pytest.mark.parametrize("engine", ["lookahead", "exact"])
def test_bf16(engine):
    """Near the step in full precision, and parameters stay in it."""
    moved = []
    for precision in ("32-true", "bf16-mixed"):
        model = tiny_metaug(
            encoder=tiny_encoder(), meta=MetaStep(engine=engine), generator_optimizer=CONSTANT
        )
        start = parameters(model)
        fit(model, loader(8, 8), precision=precision)
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        moved.append(
            torch.cat(
                [
                    v.flatten()
                    for v in displaced(
                        model.encoder,
                        {
                            n.removeprefix("encoder."): v
                            for n, v in start.items()
                            if n.startswith("encoder.")
                        },
                    ).values()
                ]
            )
        )
    cosine = nn.functional.cosine_similarity(*moved, dim=0)
    assert cosine > 0.99
    assert not torch.equal(*moved)
