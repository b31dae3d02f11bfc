"""A contrastive batch in pieces, by accumulation or micro-batches, is the batch in one."""

import pytest
import torch
from metaug.lightning_modules import MemoryBank, MetaStep
from torch.utils.data import DataLoader

from .tiny import Trace, examples, fit, loader, tiny_metaug


def trained(batch_size: int, count: int = 16, **settings):
    """Parameters and bank after training; the pieces' order of sums differs, so float64."""
    bank = MemoryBank(8, num_instances=count) if settings.pop("bank", False) else None
    model = tiny_metaug(memory_bank=bank, **settings)
    trainer = fit(model, loader(count, batch_size), precision="64-true")
    return model.state_dict(), trainer.global_step


@pytest.mark.parametrize("bank", [False, True])
@pytest.mark.parametrize("engine", ["lookahead", "exact"])
@pytest.mark.parametrize(
    "pieces", [{"batch_size": 4, "accumulate": 2}, {"batch_size": 8, "micro_batch_size": 3}]
)
def test_equals_the_whole(pieces, engine, bank):
    shared = {"meta": MetaStep(engine=engine), "bank": bank}
    whole, steps = trained(8, **shared)
    parts, steps_of_parts = trained(**pieces, **shared)
    assert steps == steps_of_parts == 2
    torch.testing.assert_close(parts, whole, rtol=1e-9, atol=1e-12)


def test_no_more_than_a_micro_batch_is_encoded_at_once():
    model, sizes = tiny_metaug(micro_batch_size=3), []
    model.encoder.backbone.register_forward_hook(lambda *args: sizes.append(len(args[1][0])))
    fit(model, loader(8, 8))
    assert set(sizes) == {2 * 3, 2 * 2}  # two views of 3, 3 and 2 instances


def test_dropout_has_the_same_masks_in_every_pass_of_a_piece():
    """The engines encode a piece different numbers of times, and the encoder learns the same."""
    states = []
    for engine in ("first_order", "lookahead"):
        model = tiny_metaug(micro_batch_size=3, meta=MetaStep(engine=engine, inner_lr=1e-6))
        model.encoder.projection.append(torch.nn.Dropout(0.5))
        torch.manual_seed(5)
        fit(model, loader(8, 8), precision="64-true")
        states.append(model.encoder.state_dict())
    torch.testing.assert_close(*states, rtol=0, atol=0)


def test_the_tail_of_an_epoch_is_flushed():
    model, trace = tiny_metaug(accumulate=3), Trace()
    trainer = fit(model, loader(20), max_epochs=2, callbacks=[trace])
    assert trainer.global_step == 4  # 3 and 2 batches, twice
    assert model.accumulation.pending == []
    reference = tiny_metaug()
    batches = [range(12), range(12, 20)] * 2
    fit(reference, DataLoader(examples(20), batch_sampler=batches))
    torch.testing.assert_close(model.state_dict(), reference.state_dict(), rtol=1e-4, atol=1e-6)


def test_higher_says_what_to_use_instead():
    with pytest.raises(RuntimeError, match="micro-batches; use engine 'exact'"):
        fit(tiny_metaug(accumulate=2, meta=MetaStep(engine="higher")))


@pytest.mark.parametrize("name", ["accumulate", "micro_batch_size"])
def test_sizes_are_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        tiny_metaug(**{name: 0})
