"""Recorded and replayed steps are those that are computed as usual, bit for bit.

A CPU has no CUDA graphs. `Operations` records what they do: the operations that reach the device,
with their memory; a replay repeats them in the same memory and nothing of Python.
"""

import logging

import pytest
import pytorch_lightning as pl
import torch
from metaug.lightning_modules import (
    OUCL,
    Encoder,
    HardNegativeMixing,
    ImplicitFeatureModification,
    MarginRegularization,
    MemoryBank,
    MetaStep,
    MetAugObjective,
    NoiseGenerator,
    OptimizerSettings,
)
from metaug.lightning_modules.training.graphed_step import CudaGraphs, GraphedStep
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..tiny import fit, loader, tiny_metaug


def tensors_of(output):
    return [each for each in tree_leaves(output) if isinstance(each, torch.Tensor)]


class Operations(TorchDispatchMode):
    """Records operations on the CPU as a CUDA graph does.

    Args:
        module: Its buffers are put back after a recording, which computes nothing on a GPU.
    """

    def __init__(self, module):
        super().__init__()
        self.module = module
        self.steps = None
        self.recorded = self.replayed = 0

    def warm_up(self, function):
        return function()

    def record(self, function):
        self.steps = []
        buffers = [(buffer, buffer.clone()) for buffer in self.module.buffers()]
        with self:
            result = function()
        for buffer, before in buffers:
            buffer.copy_(before)
        steps, self.steps = self.steps, None
        self.recorded += 1

        def replay():
            self.replayed += 1
            for func, args, kwargs, outputs in steps:
                with torch.no_grad(), torch.autocast("cpu", enabled=False):
                    again = tensors_of(func(*args, **kwargs))
                for old, new in zip(outputs, again, strict=True):
                    if old.data_ptr() != new.data_ptr():
                        old.copy_(new)

        return replay, result

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if not func.is_view:
            outputs = [each.detach() for each in tensors_of(output)]
            self.steps.append((func, args, kwargs, outputs))
        return output


def train(model, *, recorder=None, count=48, **settings):
    """The state at the end, and what was logged."""
    if recorder is not None:
        model._graphed = GraphedStep(recorder)
        model._renew_computation()
    torch.manual_seed(0)
    seen = []

    class Logged(pl.Callback):
        def on_train_batch_end(self, trainer, *rest):
            seen.append({name: float(value) for name, value in trainer.callback_metrics.items()})

    settings = {"log_every_n_steps": 4, "max_epochs": 2} | settings
    callbacks = [Logged(), *settings.pop("callbacks", [])]
    fit(model, loader(count), callbacks=callbacks, **settings)
    logged = [
        {name: value for name, value in each.items() if "images_per_second" not in name}
        for each in seen
    ]
    return {name: value.clone() for name, value in model.state_dict().items()}, logged


def module(engine="lookahead", **settings):
    given = {
        "objective": MetAugObjective(
            detach=True, adversarial=True, margin=MarginRegularization(weight=0.5)
        ),
        "meta": MetaStep(engine=engine, inner_lr=0.1),
        "encoder_optimizer": OptimizerSettings("sgd", 0.1, schedule="cosine", warmup_epochs=1),
        "generator_optimizer": OptimizerSettings("adamw", 1e-2),
    }
    return tiny_metaug(norm=True, **(given | settings))


def check_equal(build, least_replayed, **settings):
    """Train as usual and recorded, the same to the last bit; the recorder."""
    usual = train(build(), **settings)
    model = build()
    recorder = Operations(model)
    recorded = train(model, recorder=recorder, **settings)
    assert recorded[1] == usual[1]
    assert all(torch.equal(recorded[0][name], value) for name, value in usual[0].items())
    assert recorder.replayed >= least_replayed
    return recorder


@pytest.mark.parametrize("engine", ["lookahead", "exact", "first_order"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_replayed_steps_are_the_same(engine, precision):
    # 24 steps: 3 and then 1 of each other kind as usual, the kinds logged and not logged
    recorder = check_equal(lambda: module(engine), 18, precision=precision)
    assert recorder.recorded == 2


@pytest.mark.parametrize("every", [1, 100])
def test_meta_steps_now_and_then_audits_and_clipping(every):
    meta = MetaStep(inner_lr=0.1, every=2, audit_every=3)
    recorder = check_equal(lambda: module(meta=meta, clip_norm=0.5), 6, log_every_n_steps=every)
    assert recorder.recorded >= 2


def test_without_a_generator():
    check_equal(lambda: module(generator=None, objective=None), 18)


def test_a_short_batch_is_a_kind_of_its_own():
    recorder = check_equal(module, 14, count=46, max_epochs=3)  # the last of 12 batches has 2
    assert recorder.recorded == 3


def test_a_changed_setting_is_recorded_anew():
    class Heavier(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            pl_module.objective.augmented_weight = 1.0 + trainer.current_epoch

    check_equal(module, 1, callbacks=[Heavier()])


class ExchangesBuffer(pl.Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        norm = pl_module.encoder.projection[1]
        norm.running_mean = norm.running_mean.clone()


class ExchangesValues(pl.Callback):
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if batch_idx == 6:
            for parameter in pl_module.parameters():
                parameter.data = parameter.data.clone()


@pytest.mark.parametrize("exchange", [ExchangesBuffer, ExchangesValues])
def test_exchanged_tensors_are_recorded_anew(exchange):
    check_equal(module, 1, callbacks=[exchange()])


def mochi():
    return MetAugObjective(synthetic_negatives=HardNegativeMixing(), detach=True)


def test_augmentations_without_draws_are_recorded():
    contrast = ImplicitFeatureModification(OUCL(attraction_weight=0.6))
    check_equal(lambda: module(generator=None, objective=MetAugObjective(contrast)), 18)


def made(settings):
    return {name: each() if callable(each) else each for name, each in settings.items()}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"meta": MetaStep(engine="higher")}, "engine 'higher' unrolls"),
        ({"generator": lambda: NoiseGenerator()}, "latent augmentation draws"),
        ({"objective": lambda: mochi()}, "latent augmentation draws"),
        ({"memory_bank": lambda: MemoryBank(4, num_instances=48)}, "memory bank draws"),
        ({"micro_batch_size": 2}, "micro-batches"),
        ({"accumulate": 2}, "several batches"),
    ],
)
def test_what_cannot_be_recorded_is_computed_as_usual_and_said(settings, reason, caplog):
    with caplog.at_level(logging.INFO, logger="pytorch_lightning"):
        recorder = check_equal(lambda: module(**made(settings)), 0)
    assert recorder.recorded == 0
    said = [each for each in caplog.messages if each.startswith("compile:")]
    assert len(said) == 1
    assert reason in said[0]


def test_dropout_is_found_out(caplog):
    def build():
        torch.manual_seed(0)
        backbone = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 8))
        return module(encoder=Encoder(backbone, image_channels=1, image_size=8, projection_dim=8))

    with caplog.at_level(logging.INFO, logger="pytorch_lightning"):
        assert check_equal(build, 0).recorded == 0
    assert "draws random numbers" in caplog.text


def test_a_failing_recording_is_said_and_harms_nothing(caplog):
    class Fails(Operations):
        def record(self, function):
            super().record(function)
            raise RuntimeError("operation not permitted when stream is capturing\nmore")

    usual = train(module())
    model = module()
    with caplog.at_level(logging.INFO, logger="pytorch_lightning"):
        recorded = train(model, recorder=Fails(model))
    assert recorded[1] == usual[1]
    assert "recording failed (operation not permitted when stream is capturing)" in caplog.text


def test_too_many_kinds_are_computed_as_usual(caplog, monkeypatch):
    monkeypatch.setattr("metaug.lightning_modules.training.graphed_step.MOST_RECORDINGS", 1)
    with caplog.at_level(logging.INFO, logger="pytorch_lightning"):
        check_equal(module, 1)
    assert "more than 1 kinds" in caplog.text


def test_without_a_gpu_the_user_is_told(caplog):
    usual = train(module())
    with caplog.at_level(logging.INFO, logger="pytorch_lightning"):
        compiled = train(module(compile=True))
    assert compiled[1] == usual[1]
    assert "compile: steps are computed as usual, since there is no CUDA GPU" in caplog.text


@pytest.mark.gpu
@pytest.mark.parametrize("engine", ["lookahead", "exact"])
def test_cuda_graphs(engine):
    ends = []
    for compiled in (False, True):
        model = module(engine, compile=compiled)
        fit(model, loader(48), accelerator="gpu", devices=1, max_epochs=2, log_every_n_steps=4)
        ends.append(model.state_dict())
    assert model._graphed.obstacle is None
    assert isinstance(model._graphed.recorder, CudaGraphs)
    assert len(model._graphed.recordings) == 2
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, rtol=1e-4, atol=1e-5)
