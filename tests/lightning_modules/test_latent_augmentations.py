"""Training with each latent augmentation: one optimizer, and the same numbers however it is cut."""

import pytest
import pytorch_lightning as pl
import torch
from metaug.lightning_modules import (
    AugmentationGenerator,
    ExtrapolationGenerator,
    HardNegativeMixing,
    ImplicitFeatureModification,
    InfoNCE,
    MemoryBank,
    MetaStep,
    MetAug,
    MetAugObjective,
    NegativeInterpolation,
    NoiseGenerator,
)
from metaug.lightning_modules.objectives import row_blocks
from metaug.lightning_modules.objectives.row_blocks import BatchObjective

from .objectives.loops import unit_features
from .tiny import Trace, fit, loader, tiny_encoder, tiny_metaug

COUNT = 16
# each kind of parts, beside a trained generator too
KINDS = {
    "noise": lambda: {"generator": NoiseGenerator(0.5, seed=1)},
    "extrapolation": lambda: {"generator": ExtrapolationGenerator(seed=1)},
    "ifm": lambda: {"objective": MetAugObjective(ImplicitFeatureModification(InfoNCE()))},
    "mochi": lambda: {"objective": MetAugObjective(synthetic_negatives=mixing())},
    "transformation": lambda: {
        "generator": ExtrapolationGenerator(seed=1),
        "objective": MetAugObjective(synthetic_negatives=NegativeInterpolation(seed=1)),
    },
    "mochi with a generator": lambda: {
        "generator": AugmentationGenerator(8, 2, 16),
        "objective": MetAugObjective(ImplicitFeatureModification(), synthetic_negatives=mixing()),
    },
}
PLAIN = [kind for kind in KINDS if kind != "mochi with a generator"]


def mixing() -> HardNegativeMixing:
    return HardNegativeMixing(hardest=4, mixed=3, mixed_with_anchor=2, seed=1)


def model(kind: str, *, bank: bool = False, **settings) -> MetAug:
    torch.manual_seed(0)
    parts = {"generator": None, "objective": MetAugObjective()} | KINDS[kind]()
    if bank:
        settings["memory_bank"] = MemoryBank(8, num_instances=COUNT)
        settings["memory_bank"].allocate(COUNT, num_views=2, feature_dim=8)
    return tiny_metaug(**parts, **settings)


def train(module: MetAug, batch_size: int = 8, views: int = 2, **settings) -> dict:
    trainer = fit(module, loader(COUNT, batch_size, views=views), precision="64-true", **settings)
    assert trainer.global_step > 0
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("kind", PLAIN)
def test_without_trained_parameters_there_is_one_optimizer_and_no_meta_step(kind, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a meta step")

    monkeypatch.setattr("metaug.lightning_modules.training.step_gradients.meta_gradient", refuse)
    module, trace = model(kind, meta=MetaStep(audit_every=1)), Trace()
    train(module, callbacks=[trace])
    assert [len(rates) for rates in trace.rates] == [1, 1]
    assert all("train/meta_gap" not in logged for logged in trace.logged)


def test_a_frozen_generator_takes_no_meta_step_either():
    generator = AugmentationGenerator(8, 2, 16).requires_grad_(False)
    before = {name: value.double() for name, value in generator.state_dict().items()}
    trace = Trace()
    train(tiny_metaug(generator=generator), callbacks=[trace])
    assert len(trace.rates[0]) == 1
    torch.testing.assert_close(dict(generator.state_dict()), before, rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_augmentation_is_trained_with(kind):
    """And not with the draws of another seed or step, where it draws."""
    plain = train(tiny_metaug(generator=None, objective=MetAugObjective()))
    trained = train(model(kind))
    weight = "encoder.backbone.0.weight"
    assert not torch.allclose(trained[weight], plain[weight], rtol=1e-6)
    if kind == "ifm":
        return

    class SameStep(pl.Callback):
        """Draws in each step what the first one draws."""

        def on_fit_start(self, trainer, pl_module):
            for part in pl_module.modules():
                if hasattr(part, "set_step"):
                    part.set_step = lambda step: None

    assert not torch.equal(train(model(kind), callbacks=[SameStep()])[weight], trained[weight])
    torch.testing.assert_close(train(model(kind)), trained, rtol=0, atol=0)


@pytest.mark.parametrize("bank", [False, True], ids=["batch", "bank"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "pieces"), [(4, {"accumulate": 2}), (8, {"micro_batch_size": 3})])
def test_pieces_of_a_batch_equal_the_whole(size, pieces, kind, bank):
    whole = train(model(kind, bank=bank))
    parts = train(model(kind, bank=bank, **pieces), size)
    torch.testing.assert_close(parts, whole, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("from_bank", [False, True], ids=["batch", "bank"])
@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("kind", PLAIN)
def test_blocks_of_rows_equal_the_whole(kind, views, from_bank, monkeypatch):
    parts = {"generator": None, "objective": MetAugObjective()} | KINDS[kind]()
    negatives = None
    if from_bank:
        bank = MemoryBank(5)
        bank.allocate(20, views, 6)
        negatives = bank.double().draw(0)
    given = (parts["objective"], parts["generator"], 7, views, negatives, torch.arange(7))

    def evaluate():
        objective = BatchObjective(*given)
        leaf = unit_features(7, views, 6).requires_grad_()
        value = sum(part(leaf) for part in objective.inner)
        return len(objective.inner), [value, *torch.autograd.grad(value, leaf)]

    number, whole = evaluate()
    assert number == 1
    columns, others = views * (1 if parts["generator"] is None else 2), 5 if from_bank else 7
    monkeypatch.setattr(row_blocks, "MAX_SIMILARITIES", 2 * columns**2 * others)
    number, blocks = evaluate()
    assert number == 4  # of two rows
    torch.testing.assert_close(blocks, whole, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("bank", [False, True], ids=["batch", "bank"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_is_the_run_that_never_stopped(kind, bank, tmp_path):
    def run(epochs, **settings):
        module = model(kind, bank=bank)
        trainer = fit(module, loader(COUNT, 4), max_epochs=epochs, **settings)
        return module, trainer

    whole, _ = run(3)
    _, trainer = run(1)
    trainer.save_checkpoint(tmp_path / "first.ckpt")
    resumed, _ = run(3, ckpt_path=tmp_path / "first.ckpt")
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)

    rebuilt = MetAug.load_from_checkpoint(tmp_path / "first.ckpt", encoder=tiny_encoder())
    assert repr(rebuilt.objective) == repr(whole.objective)
    assert repr(rebuilt.generator) == repr(whole.generator)


@pytest.mark.parametrize("kind", PLAIN)
def test_three_views(kind):
    before = model(kind).state_dict()["encoder.backbone.0.weight"].double()
    trained = train(model(kind), views=3)["encoder.backbone.0.weight"]
    assert torch.isfinite(trained).all()
    assert not torch.equal(trained, before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_in_mixed_precision(kind):
    module = model(kind)
    fit(module, loader(COUNT, 8), precision="bf16-mixed")
    assert all(torch.isfinite(value).all() for value in module.state_dict().values())
