"""For people who import `lightning` instead of `pytorch_lightning`.

The two distributions hold the same code as two class trees, and a trainer of one refuses a module
of the other. MetAug is written against `pytorch_lightning`; `use_lightning()` lets that name, and
so every class of MetAug, mean `lightning.pytorch`.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from functools import wraps
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_FIX = (
    "is of pytorch_lightning, and a Trainer of lightning.pytorch takes neither modules nor data "
    "modules of that. Call metaug.use_lightning() first thing, before anything imports "
    "pytorch_lightning (or set METAUG_LIGHTNING=1, or import lightning first); or take "
    "pytorch_lightning's Trainer"
)
_CHECKS = ("lightning.pytorch.utilities.model_helpers", "lightning.pytorch.utilities.compile")
_MEANS = {"pytorch_lightning": "lightning.pytorch", "lightning_fabric": "lightning.fabric"}


def follow_imports() -> None:
    """Use `lightning` where `METAUG_LIGHTNING` says so or a script imports it first.

    Where it comes after `pytorch_lightning`, its Trainer says what to do when it is given a module
    or a data module of MetAug.
    """
    if os.environ.get("METAUG_LIGHTNING"):
        use_lightning()
    elif "lightning.pytorch" not in sys.modules:
        sys.meta_path.insert(0, _Late())
    elif "pytorch_lightning" not in sys.modules:
        use_lightning()
    else:
        for name in _CHECKS:
            _explain_refusal(sys.modules.get(name))


class _Late(MetaPathFinder):
    """Sees the import of `lightning.pytorch`, before MetAug's rooms or after them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find nothing, and the import goes on; or Lightning's check, with our message."""
        if fullname == "lightning.pytorch" and "pytorch_lightning" not in sys.modules:
            sys.meta_path.remove(self)
            use_lightning()
        elif fullname == _CHECKS[0]:
            sys.meta_path.remove(self)
            spec: Any = find_spec(fullname)
            execute = spec.loader.exec_module

            def executed(module: ModuleType) -> None:
                execute(module)
                _explain_refusal(module)

            spec.loader.exec_module = executed
            return spec
        return None


def _explain_refusal(module: Any) -> None:
    """Let Lightning's check for objects of the other tree know MetAug's, and name the fix.

    Args:
        module: Where Lightning has that check; None where it is not imported.
    """
    check = getattr(module, "_check_mixed_imports", None)
    if check is None:
        return

    @wraps(check)
    def explained(instance: object) -> None:
        other: Any = sys.modules["pytorch_lightning"]
        if isinstance(instance, other.LightningModule | other.LightningDataModule):
            raise TypeError(f"{type(instance).__name__} {_FIX}")
        check(instance)

    module._check_mixed_imports = explained


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
