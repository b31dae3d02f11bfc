"""Constraints of the oldest stack that `pyproject.toml` allows: every lower bound, exactly.

python -m tests.release.oldest > tests/release/oldest.txt
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOLS = ("plugins", "benchmark", "docs", "dev")
"""Extras that nothing of the package itself imports."""


def constraints() -> list[str]:
    """Lines such as `torch==2.11`, of the dependencies and the extras, `TOOLS` left out."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    requirements = list(project["dependencies"])
    for extra in extras.keys() - set(TOOLS):
        requirements += [line for line in extras[extra] if not line.startswith("metaug[")]
    return sorted({constraint(requirement) for requirement in requirements})


def constraint(requirement: str) -> str:
    """The lower bound of one requirement.

    Raises:
        ValueError: It has none.
    """
    found = re.match(r"([\w-]+)(?:\[[\w,]+\])?>=([\d.]+)", requirement)
    if found is None:
        raise ValueError(f"{requirement!r} has no lower bound; write it as name>=version")
    return f"{found[1]}=={found[2]}"


if __name__ == "__main__":
    print("\n".join(constraints()))
