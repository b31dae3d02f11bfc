"""For people who import `lightning` instead of `pytorch_lightning`.

The two distributions hold the same code as two class trees, and a trainer of one refuses a module
of the other. MetAug is written against `pytorch_lightning`; `use_lightning()` lets that name, and
so every class of MetAug, mean `lightning.pytorch`.
"""

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

_LATE = (
    "lightning.pytorch is imported after MetAug was built on pytorch_lightning, and a Trainer of "
    "one takes no module of the other: call metaug.use_lightning() before, or import it first"
)
_MEANS = {"pytorch_lightning": "lightning.pytorch", "lightning_fabric": "lightning.fabric"}


def follow_imports() -> None:
    """Use `lightning` where a script imports it before MetAug's rooms; warn where it does later."""
    if "pytorch_lightning" not in sys.modules and "lightning.pytorch" in sys.modules:
        use_lightning()
    elif "lightning.pytorch" not in sys.modules:
        sys.meta_path.insert(0, _Late())


class _Late(MetaPathFinder):
    """Sees the import of `lightning.pytorch`, before MetAug's rooms or after them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        """Find nothing; the import goes on."""
        if fullname == "lightning.pytorch":
            sys.meta_path.remove(self)
            if "pytorch_lightning" not in sys.modules:
                use_lightning()
            elif not any(isinstance(finder, _Alias) for finder in sys.meta_path):
                warnings.warn(_LATE, stacklevel=2)


def use_lightning() -> None:
    """Build MetAug on `lightning.pytorch`; call it before anything imports `pytorch_lightning`.

    Raises:
        ImportError: `lightning` is not installed.
        RuntimeError: `pytorch_lightning` was imported before.
    """
    if any(isinstance(finder, _Alias) for finder in sys.meta_path):
        return
    if find_spec("lightning") is None:
        raise ImportError("use_lightning() needs the package lightning: pip install lightning")
    if "pytorch_lightning" in sys.modules:
        raise RuntimeError(
            "pytorch_lightning is imported already; call metaug.use_lightning() first, before "
            "metaug's rooms and other libraries that import it"
        )
    sys.meta_path.insert(0, _Alias())


class _Alias(MetaPathFinder, Loader):
    """Finds `pytorch_lightning.x` by importing `lightning.pytorch.x`: one module, two names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for the aliased names alone."""
        top, _, below = fullname.partition(".")
        if top not in _MEANS:
            return None
        meant = f"{_MEANS[top]}.{below}" if below else _MEANS[top]
        return ModuleSpec(fullname, self, origin=meant) if find_spec(meant) else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module meant, whose own spec is kept for `exec_module`."""
        module = importlib.import_module(str(spec.origin))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module, which is loaded already, its own spec back."""
        if module.__spec__ is not None and module.__spec__.loader is self:
            module.__spec__ = module.__spec__.loader_state
