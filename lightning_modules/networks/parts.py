"""A part of a module by its dotted path."""

from torch import nn


def part_of(module: nn.Module, path: str) -> nn.Module:
    """The submodule at a dotted path.

    Args:
        module: The module.
        path: Such as `encoder.backbone`.

    Raises:
        ValueError: If there is none; the message names the parts where the path ends.

    Examples:
        >>> part_of(nn.Sequential(nn.Identity()), "0")
        Identity()
        >>> part_of(nn.ModuleDict({"encoder": nn.ModuleDict({"stem": nn.ReLU()})}), "encoder.net")
        Traceback (most recent call last):
        ValueError: ModuleDict has no part 'encoder.net'; its encoder has stem
    """
    reached, end = module, ""
    for name in path.split("."):
        children = dict(reached.named_children())
        if name not in children:
            raise ValueError(
                f"{type(module).__name__} has no part {path!r}; {f'its {end}' if end else 'it'} "
                f"has {', '.join(children) or 'no parts'}"
            )
        reached, end = children[name], f"{end}.{name}".lstrip(".")
    return reached
