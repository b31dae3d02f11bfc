"""Odd command lines: hand-picked ones, and seeded changes of the keys of three configs."""

import contextlib
import io
import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from metaug.cli import main as metaug
from metaug.settings.config_layers import flat

CONFIGS = ("digits.yaml", "image_folder.yaml", "evaluation/linear.yaml")
QUICK = [
    "--trainer.accelerator=cpu",
    "--trainer.max_epochs=1",
    "--trainer.max_steps=1",
    "--trainer.limit_train_batches=1",
    "--trainer.limit_val_batches=1",
    "--trainer.num_sanity_val_steps=0",
    "--trainer.log_every_n_steps=1",
    "--trainer.enable_progress_bar=false",
]
METAUG = [
    "--model.encoder.backbone_args={layers: [1, 1, 1, 1], channels: [4, 4, 4, 4]}",
    "--data.batch_size=8",
    *(f"--callbacks.{name}=null" for name in ("LinearProbe", "TrainingCurves", "FeatureMap")),
    *("--callbacks.ViewsGrid=null", "--callbacks.Summary.baselines=false"),
]
# starting processes is another matter, and whether a value is too large is the machine's
LEFT_ALONE = ("devices", "num_nodes", "strategy", "num_workers", "accelerator", "class_path")
WRONG_TYPES = (
    "abc",
    "[1, 2]",
    "{a: 1}",
    "true",
    "''",
    "1.5",
    "null",
    "2024-01-01",
    "0x1g",
    "~nobody",
)
OUT_OF_RANGE = ("-1", "-5", "0", ".nan", ".inf", "-.inf", "1e30", "-0.001", "1.0001", "3000000000")
SENSELESS = (".nan", ".inf", "-.inf", "-5", "-0.001")
# keys for which one of the senseless values has a meaning of its own
MEANINGFUL = ("trainer.max_epochs", "trainer.max_steps", "trainer.max_time", "save_top_k")


CONTRADICTIONS = (
    ["--model.encoder.projection_dim=32"],
    ["--model.generator.num_views=3"],
    ["--model.encoder.image_channels=4"],
    [
        "--model.encoder_optimizer.schedule=cosine",
        "--trainer.max_epochs=-1",
        "--trainer.max_steps=-1",
    ],
    ["--model.encoder_optimizer.warmup_epochs=9", "--trainer.max_steps=-1"],
    ["--model.meta.engine=lookahead", "--model.meta.inner_steps=3"],
    ["--model.memory_bank=MemoryBank", "--model.memory_bank.num_negatives=0"],
    ["--model.encoder=AlexNetSplit"],
    ["--model.encoder=AlexNet"],
    ["--model.encoder.backbone=vit_tiny_patch16_224", "--model.encoder.backbone_args.depth=1"],
    ["--model.encoder.backbone=resnet"],
    ["--model.encoder.backbone_args={features_only: true}"],
    ["--model.encoder.backbone_args={global_pool: ''}"],
    ["--model.objective=OUCL"],
    ["--model=Encoder"],
    ["--data=KNNProbe"],
    ["--data=CIFAR10DataModule", "--data.root=/dev/null"],
    ["--data.views=ColorSpaceViews"],
    ["--data.views=TransformViews"],
    ["--trainer.precision=16-mixed"],
    ["--trainer.precision=bf16-true"],
    ["--trainer.gradient_clip_val=1"],
    ["--trainer.accumulate_grad_batches=4"],
    ["--trainer.callbacks=null", "--trainer.callbacks+=Export"],
    ["--trainer.callbacks+=EarlyStopping"],
    [
        *("--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val/knn_top1"),
        "--callbacks.KNNProbe.every_n_epochs=5",
    ],
    ["--trainer.barebones=true"],
    ["--trainer.fast_dev_run=true", "--trainer.logger=false"],
    ["--trainer.logger=false", "--trainer.enable_checkpointing=false"],
    ["--trainer.detect_anomaly=true", "--trainer.inference_mode=false"],
    ["--trainer.min_epochs=5", "--trainer.max_epochs=2"],
    ["--trainer.val_check_interval=0"],
    ["--trainer.val_check_interval=50"],
    ["--trainer.check_val_every_n_epoch=null", "--trainer.val_check_interval=1.0"],
    ["--ckpt_path=last"],
    ["--ckpt_path=."],
    ["--callbacks.KNNProbe=null", "--callbacks.KNNProbe.k=3"],
    ["--callbacks.KNNProbe.k"],
    ["--trainer.logger.nothing=3"],
    ["--seed_everything=-1"],
    ["--seed_everything=99999999999999"],
    ["--seed_everything=abc"],
    ["--config"],
    ["--config", "sweeps/digits_grid.yaml"],
    ["--trainer.max_epochs"],
    ["--max_epochs=1"],
    ["--lr=0.1"],
    ["extra"],
    ["--model.encoder"],
    ["--"],
    ["--trainer"],
    ["--=3"],
)
BROKEN_YAML = (
    "trainer: {max_epochs: 1\n",
    "trainer:\n  max_epochs: 1\n  max_epochs: 2\n",
    "trainer:\n\tmax_epochs: 1\n",
    "- trainer\n",
    "",
    "trainer\n",
    "trainer: 3\n",
    "trainer: [1, 2]\n",
    "model: 3\n",
    "model: null\n",
    "data: null\n",
    "model: {class_path: 3}\n",
    "model: {init_args: {encoder: {class_path: nowhere.Encoder}}}\n",
    "model: {init_args: {encoder: 5}}\n",
    "trainer: {callbacks: 5}\n",
    "trainer: {callbacks: [5]}\n",
    "trainer: {callbacks: {class_path: metaug.callbacks.Nothing}}\n",
    "trainer: {callbacks: [{init_args: {k: 3}}]}\n",
    "trainer: {logger: [null]}\n",
    "trainer: {logger: hello}\n",
    "? [a, b]\n: 1\n",
    "trainer: *nothing\n",
    "trainer: !!python/object:os.system {}\n",
    "&a [*a]\n",
    "model: &a {init_args: *a}\n",
    "fit: {trainer: {max_epochs: 1}}\n",
    "seed_everything: [1]\n",
    "trainer: {max_epochs: 1}\n---\ntrainer: {max_epochs: 2}\n",
    "\ufefftrainer: {max_epochs: 1}\n",
    "[" * 2000,
    "trainer: {max_epochs: \x01}\n",
    "1: 2\n",
    "null: 1\n",
)


@dataclass(frozen=True)
class Input:
    """One odd command line.

    Args:
        kind: What is wrong.
        config: The shipped config.
        odd: The odd arguments, after all others.
        senseless: Whether a run of it is wrong.
    """

    kind: str
    config: str
    odd: tuple[str, ...]
    senseless: bool


def inputs(count: int, seed: int, folder: Path) -> list[Input]:
    """Odd command lines, a third of them hand-picked: contradictions and broken YAML.

    Args:
        count: How many.
        seed: Of their choice.
        folder: Where broken configs are written.
    """
    random_state = random.Random(seed)
    broken = []
    for number, text in enumerate(BROKEN_YAML):
        path = folder / f"broken{number}.yaml"
        path.write_text(text, encoding="utf-8")
        broken.append(Input("broken YAML", CONFIGS[0], ("--config", str(path)), False))
    (folder / "latin.yaml").write_bytes(b"trainer: {max_epochs: \xe9}\n")
    broken.append(Input("broken YAML", CONFIGS[0], ("--config", str(folder / "latin.yaml")), False))
    known = [
        Input("contradictory", config, tuple(odd), False)
        for odd in CONTRADICTIONS
        for config in CONFIGS[:1]
    ] + broken
    random_state.shuffle(known)
    chosen = known[: max(count // 3, 1)]
    kinds = [_wrong_type, _out_of_range, _unknown]
    keys = {config: _keys(config) for config in CONFIGS}
    while len(chosen) < count:
        config = random_state.choice(CONFIGS)
        make = random_state.choice(kinds)
        chosen.append(make(config, random_state.choice(keys[config]), random_state))
    return chosen


def _keys(config: str) -> list[tuple[str, Any]]:
    """Keys of a config with all defaults, as short as they are documented, and their values."""
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        metaug(["fit", "--config", config, *needed(config), "--print_config"])
    settings = yaml.safe_load(printed.getvalue())
    for callback in settings["trainer"].pop("callbacks") or []:
        name = callback["class_path"].rpartition(".")[2]
        settings.setdefault("callbacks", {})[name] = callback.get("init_args") or {"x": 1}
    settings["trainer"].pop("logger")
    return [(k, v) for k, v in flat(settings) if k.rpartition(".")[2] not in LEFT_ALONE]


def _wrong_type(config: str, key: tuple[str, Any], choice: random.Random) -> Input:
    return Input("wrong type", config, (f"--{key[0]}={choice.choice(WRONG_TYPES)}",), False)


def _out_of_range(config: str, key: tuple[str, Any], choice: random.Random) -> Input:
    name, value = key
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    odd = choice.choice(OUT_OF_RANGE)
    senseless = is_number and odd in SENSELESS and not name.endswith(MEANINGFUL)
    return Input("out of range", config, (f"--{name}={odd}",), senseless)


def _unknown(config: str, key: tuple[str, Any], choice: random.Random) -> Input:
    name = key[0]
    at = choice.randrange(len(name))
    typed = choice.choice(
        [name + "x", name[:at] + name[at + 1 :], f"{name}.more", name.rpartition(".")[2]]
    )
    return Input("unknown", config, (f"--{typed}={key[1]}",), False)


def needed(config: str) -> list[str]:
    """What a config needs to run on tiny data; `prepare` makes it."""
    if config == "digits.yaml":
        return METAUG
    if config == "image_folder.yaml":
        return [*METAUG, f"--data.root={os.environ['FUZZ_DATA']}"]
    return [f"--model.backbone={os.environ['FUZZ_CHECKPOINT']}"]
