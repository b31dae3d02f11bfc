"""MetAug: contrastive learning via meta feature augmentation, for PyTorch Lightning.

The three rooms are `metaug.lightning_modules` (what is trained), `metaug.datamodules` (what it is
trained on) and `metaug.callbacks` (what watches it). Importing this package alone is cheap: a room,
and torch with it, is imported when one of its names is first used.
"""

import importlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaug.lightning_alias import follow_imports, use_lightning

if TYPE_CHECKING:
    from metaug.callbacks import KNNProbe, LinearProbe
    from metaug.datamodules import MultiViewBatch
    from metaug.lightning_modules import MetAug

try:
    __version__ = version("metaug")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "unknown"

if not (Path(__file__).parent / "lightning_modules").is_dir():
    # A clone: its rooms lie beside this folder, which Python finds before an installed copy.
    __path__.append(str(Path(__file__).parents[1]))

follow_imports()

_ROOM_OF = {
    "MetAug": "lightning_modules",
    "MultiViewBatch": "datamodules",
    "KNNProbe": "callbacks",
    "LinearProbe": "callbacks",
}
_ROOMS = ("callbacks", "datamodules", "lightning_modules")

__all__ = [
    "KNNProbe",
    "LinearProbe",
    "MetAug",
    "MultiViewBatch",
    "__version__",
    "use_lightning",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"metaug.{name}")
    if name in _ROOM_OF:
        return getattr(importlib.import_module(f"metaug.{_ROOM_OF[name]}"), name)
    raise AttributeError(f"module 'metaug' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOM_OF, *_ROOMS])
