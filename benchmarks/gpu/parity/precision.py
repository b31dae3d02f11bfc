"""What a precision costs: the head's derivatives, and each engine's meta-gradient."""

import copy
from typing import Any

import torch
from metaug.datamodules.transforms.seeding import sample_seeds
from metaug.lightning_modules import MetaGradient, MetAug
from metaug.lightning_modules.meta_gradient.objective_gradients import DifferentiableObjective
from torch import Tensor
from torch.nn.functional import normalize

from ..context import Context, relative_error
from ..images import PreparedImages
from ..problems import quiet_trainer, step_gradients
from ..recipe import recipe

ENGINES = ("exact", "lookahead", "first_order")
SEED = 0


def head(context: Context) -> dict[str, Any]:
    """The head's derivatives under bf16-mixed, against float64: the recipe's, on random features.

    Inside of autocast everything after the encoder is to be computed in float32.
    """
    count = context.sized(256, 16)
    torch.manual_seed(SEED)
    module = recipe(context)
    features = normalize(torch.randn(count, 2, 128, dtype=torch.float64), dim=-1)
    tangent = torch.randn(count, 2, 128, dtype=torch.float64)
    for parameter in module.generator.parameters():  # type: ignore[union-attr]
        torch.nn.init.normal_(parameter, std=0.1)  # the identity has no derivatives to speak of
    results = {}
    for dtype in (torch.float64, torch.float32):
        module.to(context.device, dtype)
        there, direction = (each.to(context.device, dtype) for each in (features, tangent))
        with torch.autocast(context.device.type, torch.bfloat16, enabled=dtype == torch.float32):
            results[dtype] = _head_derivatives(module, there, direction)
    pairs = zip(results[torch.float32].items(), results[torch.float64].values(), strict=True)
    return {"relative error": {name: relative_error(here, there) for (name, here), there in pairs}}


def _head_derivatives(module: MetAug, features: Tensor, tangent: Tensor) -> dict[str, list[Tensor]]:
    """All that the engines take of the head at some features."""

    def objective(values: Tensor) -> Tensor:
        return module.objective(values, module.generator, through=True).outer

    omega = list(module.generator.parameters())  # type: ignore[union-attr]
    point = DifferentiableObjective(objective, omega).gradients_at(features, second_order=True)
    return {
        "features": [point.grad_features],
        "generator": point.grad_generator,
        "mixed": point.mixed_derivative(tangent),
    }


def precision(context: Context) -> dict[str, Any]:
    """How far each engine's meta-gradient is from float64, by precision.

    Of the recipe's ResNet-18, untrained and after some steps of training with `lookahead`, on
    views of images; with the recipe's objective and in the paper's form.
    """
    steps, batch, count = context.sized((60, 256, 64), (2, 8, 8))
    if not (context.on_gpu or context.smoke):
        steps, batch, count = 60, 64, 32
    torch.manual_seed(SEED)
    data = PreparedImages(
        str(context.images), batch_size=batch, num_workers=0, augment_on="device", seed=SEED
    )
    # on a CPU torch sums BatchNorm's statistics less precisely in channels-last
    module = recipe(context, channels_last=context.on_gpu)
    measured: dict[str, Any] = {"steps": 0, "batch": batch, "instances": count, "seed": SEED}
    views = _views(context, data, count)
    measured["untrained"] = _errors(context, module, views)
    trainer = quiet_trainer(
        context, precision="bf16-mixed", max_steps=steps, max_epochs=-1, limit_val_batches=0
    )
    trainer.fit(module, datamodule=data)
    measured["steps"] = trainer.global_step
    measured["loss"] = float(trainer.callback_metrics["train/loss"])
    return measured | {"trained": _errors(context, module, views)}


def _views(context: Context, data: PreparedImages, count: int) -> list[Tensor]:
    """Views of the first test images."""
    source: Any = data.load().test
    images = torch.as_tensor(source.read(range(count)))
    views = data.views(images, sample_seeds(SEED, 0, torch.arange(count)))
    return [view.to(context.device) for view in views]


def _errors(context: Context, module: MetAug, views: list[Tensor]) -> dict[str, Any]:
    """Errors by objective and alpha."""
    module.to(context.device)
    paper = copy.deepcopy(module.objective)
    paper.adversarial = paper.detach = False
    forms = {"recipe": module.objective, "paper's form": paper}
    return {
        f"{name}, alpha {inner_lr}": _rows(context, module, forms[name], views, inner_lr)
        for name in context.sized(tuple(forms), ("recipe",))
        for inner_lr in context.sized((0.01, 0.05), (0.05,))
    }


def _rows(
    context: Context, module: MetAug, objective: Any, views: list[Tensor], inner_lr: float
) -> dict[str, dict[str, float]]:
    """Relative errors of the generator's and the encoder's gradient by engine and precision."""

    def solve(engine: str, kind: str) -> MetaGradient:
        return gradients(module, views, engine, inner_lr, kind, objective)

    double = {engine: solve(engine, "float64") for engine in ENGINES}
    rows = {"exact float64": {"gap": float(double["exact"].gap)}}
    for kind in ("float64", "float32", *(["tf32"] if context.on_gpu else []), "bf16"):
        for engine in ENGINES:
            if kind != "float64":
                result = solve(engine, kind)
            elif engine != "exact":
                result = double[engine]
            else:
                continue
            rows[f"{engine} {kind}"] = {
                "to exact": relative_error(result.generator, double["exact"].generator),
                "to itself": relative_error(result.generator, double[engine].generator),
                "what is added": relative_error(added(result), added(double["exact"])),
                "encoder": relative_error(result.encoder, double["exact"].encoder),
            }
    return rows


def added(result: MetaGradient) -> list[Tensor]:
    """What the look-ahead adds to the generator's plain gradient.

    Args:
        result: Gradients of an engine.
    """
    pairs = zip(result.generator, result.plain_generator, strict=True)
    return [meta.double() - plain.double() for meta, plain in pairs]


def gradients(
    module: MetAug,
    views: list[Tensor],
    engine: str,
    inner_lr: float,
    precision: str,
    objective: Any = None,
) -> MetaGradient:
    """The gradients at a module's parameters in a precision; buffers and settings put back.

    Args:
        module: In float32.
        views: `V x [N, C, H, W]`.
        engine: Of the meta step.
        inner_lr: alpha.
        precision: `float64`, `float32`, `tf32` or `bf16` (mixed).
        objective: None for the module's own.
    """
    dtype = torch.float64 if precision == "float64" else torch.float32
    buffers = {name: each.clone() for name, each in module.named_buffers()}
    module.to(dtype)
    torch.backends.cudnn.allow_tf32 = precision != "float32"
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    views = [view.to(dtype) for view in views]
    with torch.autocast(views[0].device.type, torch.bfloat16, enabled=precision == "bf16"):
        parts: Any = (module.encoder, module.generator, objective or module.objective)
        result = step_gradients(*parts, views, engine, inner_lr)
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("highest")
    module.float().load_state_dict(buffers, strict=False)
    return result
