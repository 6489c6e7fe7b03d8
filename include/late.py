"""
Loading late: a package names what it offers, and loads the module behind a name when somebody asks for it.

Every stage of every cycle is a process of its own. What it loads and does not use is paid nine times in five minutes:
HTTP and sign-in in stages that only compare, data frames in stages that only look at their run.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["late_module", "late_names"]


def late_names(package: str, *modules: str) -> Callable[[str], Any]:
    """
    Return the `__getattr__` of a package that offers the names in its `__all__` out of modules of its own.

    Python asks it for names the package does not have yet (PEP 562), once for each. The modules are loaded in the order
    given until one has the name, so the light ones come first. Say the same in ordinary imports below
    `if TYPE_CHECKING`, for those who read and check types.
    """

    def load(name: str) -> Any:
        offered = sys.modules[package]
        if name in offered.__all__:
            for module in modules:
                found = getattr(import_module(f"{package}.{module}"), name, None)
                if found is not None:
                    setattr(offered, name, found)
                    return found
        raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)

    return load


def late_module(name: str) -> Any:
    """Return a stand-in for a module, which is loaded when the first of its attributes is asked for."""
    return _LateModule(name)


class _LateModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)
