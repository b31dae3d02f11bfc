"""The recipes of `cifar10.yaml`, built from the files that are shipped."""

import copy
import inspect
from importlib import import_module
from typing import Any

import torch
import yaml
from metaug.lightning_modules import MetaStep, MetAug, OptimizerSettings

from benchmarks.study.rows import merge

from .context import Context
from .plan import ROOT

CONFIG = ROOT / "configs" / "cifar10.yaml"
NARROW = {"channels": [8, 8, 16, 16]}
"""Of the trial's ResNet-18."""
SELF_PACED = {"objective": {"init_args": {"contrast": {"init_args": {"margin": 0.25}}}}}
METHODS: dict[str, tuple[str | dict[str, Any], ...]] = {
    "simclr": ("simclr.yaml",),
    "oucl": ("oucl_only.yaml",),
    "self_paced": ("oucl_only.yaml", SELF_PACED),
    "attraction": (),
    "noise": ("noise.yaml",),
    "metaug": ("adversarial.yaml",),
    "metaug_exact": ("adversarial.yaml", {"meta": {"engine": "exact"}}),
}
"""What is laid over `cifar10.yaml`: overlays that are shipped, and arguments of `MetAug`."""


def shipped() -> dict[str, Any]:
    """The config as it is in the repository."""
    return yaml.safe_load(CONFIG.read_text(encoding="utf-8"))


def model_arguments(smoke: bool = False, method: str = "metaug") -> dict[str, Any]:
    """Arguments of `MetAug` as the config has them, with what a method of `METHODS` lays over it.

    Args:
        smoke: Whether this is the trial, whose encoder is narrow.
        method: Its name.
    """
    arguments = copy.deepcopy(shipped()["model"]["init_args"])
    for overlay in METHODS[method]:
        if isinstance(overlay, str):
            text = (CONFIG.parent / "overlays" / overlay).read_text(encoding="utf-8")
            overlay = yaml.safe_load(text)["model"]["init_args"]
        arguments = merge(arguments, overlay)
    if smoke:
        arguments["encoder"]["init_args"]["backbone_args"] = NARROW
    return arguments


def trainer_settings() -> dict[str, Any]:
    """What the config sets of the Trainer that a step depends on, besides the precision."""
    settings = shipped()["trainer"]
    return {name: settings[name] for name in ("benchmark", "log_every_n_steps") if name in settings}


def instantiate(node: Any) -> Any:
    """What a piece of a config stands for.

    Args:
        node: `class_path` and `init_args`, or mappings, lists and values with such inside.
    """
    if isinstance(node, list):
        return [instantiate(each) for each in node]
    if not isinstance(node, dict):
        return node
    if "class_path" not in node:
        return {key: instantiate(value) for key, value in node.items()}
    module, _, name = node["class_path"].rpartition(".")
    return getattr(import_module(module), name)(**instantiate(node.get("init_args", {})))


def unknown(arguments: dict[str, Any]) -> list[str]:
    """Those of some arguments that `MetAug` does not have.

    Args:
        arguments: By name.
    """
    return sorted(set(arguments) - set(inspect.signature(MetAug).parameters))


def build(arguments: dict[str, Any]) -> MetAug:
    """The module, from the same start each time.

    Args:
        arguments: Of `MetAug`, as a config has them.
    """
    torch.manual_seed(0)
    given = instantiate(arguments)
    given["meta"] = MetaStep(**given["meta"])
    for network in ("encoder", "generator"):
        name = f"{network}_optimizer"
        given[name] = OptimizerSettings(**given[name])
    return MetAug(**given)


def at_constant_rates(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `MetAug` with rates that do not change, so that a run may have any length.

    Args:
        arguments: As a config has them; changed in place.
    """
    arguments["encoder_optimizer"] |= {"lr": 0.06, "schedule": "constant", "warmup_epochs": 0.0}
    arguments["generator_optimizer"] |= {"schedule": "constant"}
    return arguments


def recipe(
    context: Context,
    engine: str = "lookahead",
    inner_lr: float = 0.01,
    *,
    method: str = "metaug",
    channels_last: bool | None = None,
    **arguments: Any,
) -> MetAug:
    """The module of `cifar10.yaml` by a method, MetAug's unless told, at constant rates.

    Args:
        context: Where it runs.
        engine: Of the meta step.
        inner_lr: alpha.
        method: A key of `METHODS`.
        channels_last: Of the encoder; None for what the config says.
        arguments: Of `MetAug`, over the config's.
    """
    given = model_arguments(context.smoke, method) | arguments
    if channels_last is not None:
        given["encoder"]["init_args"]["channels_last"] = channels_last
    given["meta"] |= {"engine": engine, "inner_lr": inner_lr}
    return build(at_constant_rates(given))
