"""One meta step: this device against the CPU, engine against engine, pass against pass."""

from typing import Any

import torch
from metaug.lightning_modules import MetaGradient
from metaug.lightning_modules.networks.functional_encoder import FunctionalEncoder
from torch import Tensor

from ..context import Context, median_seconds, relative_error
from ..problems import ENGINES, random_views, small_problem
from ..recipe import recipe
from .precision import gradients

CPU = torch.device("cpu")
ENCODERS = ("resnet", "vit", "vit_dropout", "vit_attention_dropout")


def engines(context: Context) -> dict[str, Any]:
    """One meta step in float64 by every engine: this device against the CPU."""
    errors: dict[str, Any] = {}
    for name in context.sized(("resnet", "vit"), ("resnet",)):
        for settings in ({}, {"adversarial": True, "detach": True}):
            for engine in (*ENGINES, "none"):
                results = []
                for device in (CPU, context.device):
                    problem = small_problem(name, device, **settings)
                    problem.hold_start()
                    results.append(problem.solve(engine))
                cpu, here = results
                errors[f"{name} {engine}{' detached' if settings else ''}"] = [
                    relative_error(here.encoder, cpu.encoder),
                    relative_error(here.generator, cpu.generator),
                    relative_error([here.loss], [cpu.loss]),
                    relative_error([here.features], [cpu.features]),
                ]
    return {"relative error to the CPU: encoder, generator, loss, features": errors}


def exact_against_higher(context: Context) -> dict[str, Any]:
    """The two exact engines on this device; they differ if a replay has other random masks."""
    errors = {}
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        mixed = dtype == torch.bfloat16
        for name in context.sized(ENCODERS, ENCODERS[-1:]):
            kept = torch.float32 if mixed else dtype
            problem = small_problem(name, context.device, kept, count=32)
            restore = problem.hold_start()
            results: dict[str, MetaGradient] = {}
            for engine in ("exact", "higher", "lookahead"):
                restore()
                with torch.autocast(context.device.type, torch.bfloat16, enabled=mixed):
                    results[engine] = problem.solve(engine, inner_lr=0.01)
            exact, higher, lookahead = results.values()
            errors[f"{name} {str(dtype).removeprefix('torch.')}"] = {
                "exact to higher": relative_error(exact.generator, higher.generator),
                "exact to higher, encoder": relative_error(exact.encoder, higher.encoder),
                "lookahead to higher": relative_error(lookahead.generator, higher.generator),
                "gap": float(exact.gap),
            }
    return {"relative error": errors}


def replay(context: Context) -> dict[str, Any]:
    """Later passes equal the first, and change neither buffers nor random state."""
    passes = {}
    for name in context.sized(("resnet", *ENCODERS[2:]), ENCODERS[2:3]):
        for dtype in (torch.float64, torch.float32):
            problem = small_problem(name, context.device, dtype, count=32)
            problem.hold_start()
            params = dict(problem.encoder.named_parameters())
            encode = FunctionalEncoder(problem.encoder, list(params), problem.views)
            first = encode(list(params.values()))
            buffers = {name: each.clone() for name, each in problem.encoder.named_buffers()}
            states = _random_states(context)
            with torch.no_grad():
                second = encode([param.detach() for param in params.values()])
            pairs = zip(states, _random_states(context), strict=True)
            same_buffers = (
                torch.equal(each, buffers[name]) for name, each in problem.encoder.named_buffers()
            )
            passes[f"{name} {str(dtype).removeprefix('torch.')}"] = {
                "replay to first": relative_error([second], [first]),
                "buffers untouched": all(same_buffers),
                "random states put back": all(torch.equal(*pair) for pair in pairs),
            }
    return {"passes": passes}


def _random_states(context: Context) -> list[Tensor]:
    device = [torch.cuda.get_rng_state(context.device)] if context.on_gpu else []
    return [torch.get_rng_state(), *device]


def layout(context: Context) -> dict[str, Any]:
    """Whether gradients lie in memory as their parameters do: else optimizers are slow."""
    measured = {}
    for channels_last in (False, True):
        module = recipe(context, channels_last=channels_last).to(context.device)
        views = [view.to(context.device) for view in random_views(16, context.sized(32, 16))]
        result = gradients(module, views, "lookahead", 0.01, "bf16").encoder
        params = list(module.encoder.parameters())
        for param, gradient in zip(params, result, strict=True):
            param.grad = gradient
        same = [param.stride() == param.grad.stride() for param in params]
        optimizer = module.encoder_optimizer.build(module.encoder)
        measured[f"channels_last: {str(channels_last).lower()}"] = {
            "gradients laid out as parameters": f"{sum(same)} of {len(same)}",
            "optimizer ms": 1e3 * median_seconds(context.device, optimizer.step),
        }
    return {"layout": measured}
