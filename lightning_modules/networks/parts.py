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
        child = getattr(reached, name, None)  # properties that give a module are parts too
        if not isinstance(child, nn.Module):
            children = ", ".join(name for name, _ in reached.named_children())
            raise ValueError(
                f"{type(module).__name__} has no part {path!r}; {f'its {end}' if end else 'it'} "
                f"has {children or 'no parts'}"
            )
        reached, end = child, f"{end}.{name}".lstrip(".")
    return reached
