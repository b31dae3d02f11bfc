"""What each config and the arguments say, before the parser merges them: one layer after the other.

A layer is `{key: value}` with keys as short as on the command line, `model.encoder.backbone`.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

Layer = dict[str, Any]


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a mapping with the same key twice, of which YAML takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if isinstance(key, str) and key in lines:
                raise yaml.YAMLError(f"key {key!r} stands in line {lines[key]} and in line {line}")
            lines[str(key)] = line
        return super().construct_mapping(node, deep)


def read_config(path: Path) -> dict[str, Any]:
    """The settings of a config file.

    Args:
        path: A YAML file.

    Raises:
        ValueError: It is not YAML, has a key twice, or is no mapping.
    """
    try:
        config = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
        json.dumps(config, default=str)  # fails where it refers to itself
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} must hold settings such as `trainer: {{max_epochs: 5}}`")
    return config


def read_layers(options: Sequence[str]) -> list[Layer]:
    """The layers of a command: one of each `--config`, and the last of all other arguments.

    Args:
        options: What follows the command; the configs are real paths, or settings as JSON.
    """
    layers: list[Layer] = []
    arguments: Layer = {}
    for flag, value in settings(options):
        if flag != "--config":
            arguments[short(flag.removeprefix("--"))] = value
        elif value.startswith("{"):
            arguments |= dict(flat(json.loads(value)))
        else:
            layers.append(dict(flat(read_config(Path(value)))))
    return [*layers, arguments]


def settings(options: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Flags with their values, `--a b` and `--a=b` alike; a flag without a value is left out.

    Examples:
        >>> list(settings(["--a=1", "--b", "2", "--print_config", "--c=-3"]))
        [('--a', '1'), ('--b', '2'), ('--c', '-3')]
    """
    remaining = list(options)
    while remaining:
        flag, equals, value = remaining.pop(0).partition("=")
        if not equals and remaining and not remaining[0].startswith("--"):
            equals, value = "=", remaining.pop(0)
        if equals and flag.startswith("--"):
            yield flag, value


def short(key: str) -> str:
    """A key without the `init_args` that may be left out on the command line."""
    return ".".join(part for part in key.split(".") if part != "init_args")


def flat(config: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The settings of a nested config by their short keys.

    Examples:
        >>> dict(flat({"model": {"class_path": "M", "init_args": {"part": {"size": 3}}}}))
        {'model.class_path': 'M', 'model.part.size': 3}
    """
    for key, value in config.items():
        path = prefix if key == "init_args" else f"{prefix}.{key}".removeprefix(".")
        if isinstance(value, dict) and value:
            yield from flat(value, path)
        else:
            yield path, value


def stale_backbone_args(layers: Sequence[Layer]) -> tuple[str, Any] | None:
    """The backbone whose `backbone_args` a later layer left behind by naming another backbone.

    Args:
        layers: Lowest first.

    Returns:
        That backbone and the arguments made for it, or None.
    """
    name, arguments = "model.encoder.backbone", "model.encoder.backbone_args"
    backbone: Any = None
    made_for: Any = None
    args: dict[str, Any] = {}
    for layer in layers:
        if name in layer:
            backbone = layer[name]
        given = {key: value for key, value in layer.items() if key.startswith(arguments)}
        if given:
            made_for = backbone
            args = {key.removeprefix(arguments + "."): value for key, value in given.items()}
    is_null = args.get(arguments, "") in (None, "null", "None")
    return None if not args or is_null or made_for == backbone else (made_for, args)


def gives_seed(layers: Sequence[Layer], key: str) -> bool:
    """Whether a layer gives a seed that is not its `seed_everything` as well, as saved configs do.

    Args:
        layers: The layers.
        key: The seed's short key.
    """
    return any(
        key in layer and str(layer[key]) != str(layer.get("seed_everything", ""))
        for layer in layers
    )
