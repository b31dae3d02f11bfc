"""The command `metaug configs`: the shipped configs, one of them, or its path."""

from metaug.shipped_configs import find_config, purpose, shipped_configs

USAGE = """\
usage: metaug configs [[--path] NAME]

List the shipped configs; print one of them, or its path.
"""


def run(options: list[str]) -> int:
    """List the shipped configs, or print those that are named, or their paths.

    Args:
        options: What follows the command.
    """
    if options[:1] == ["--path"]:
        for name in options[1:]:
            print(find_config(name).resolve())
    elif options:
        for name in options:
            print(find_config(name).read_text(encoding="utf-8"), end="")
    else:
        shipped = shipped_configs()
        width = max(map(len, shipped), default=0)
        for name, path in shipped.items():
            print(f"{name:<{width}}  {purpose(path)}")
    return 0
