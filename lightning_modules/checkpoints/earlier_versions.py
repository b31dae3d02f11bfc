"""What checkpoints of earlier versions call classes and arguments that have another name today."""

from typing import Any

_ROOM = "metaug.lightning_modules"
_MODULES = (
    *("alexnet", "encoder", "generator", "memory_bank"),
    *("objectives.info_nce", "objectives.margin", "objectives.metaug_objective", "objectives.oucl"),
)
_GENERATOR = f"{_ROOM}.AugmentationGenerator"


def present_form(class_path: str, arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Class and arguments of a checkpoint as this version calls them.

    Args:
        class_path: Import path of a class. Version 0.1.0 wrote private ones, such as
            `metaug.lightning_modules.encoder.Encoder`.
        arguments: Its constructor's arguments.
    """
    module, _, name = class_path.rpartition(".")
    if module in {f"{_ROOM}.{private}" for private in _MODULES}:
        class_path = f"{_ROOM}.{name}"
    if class_path == _GENERATOR and "residual" in arguments:  # flags of what are two classes now
        arguments = dict(arguments)
        residual = arguments.pop("residual")
        added = {key: arguments.pop(key) for key in ("radius", "identity", "centred")}
        if residual:
            class_path = f"{_ROOM}.ResidualGenerator"
            arguments |= {"centered": added.pop("centred"), **added}
    return class_path, arguments
