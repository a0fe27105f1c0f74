"""Mutations: a module with a guard taken out of its source, in this process only and before anything imports it."""

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard: what it is, in which module it stands, and the source without it."""

    name: str
    module: str
    guarded: str
    unguarded: str

    @property
    def path(self) -> Path:
        """The file of its module."""
        return ROOT / f"{self.module.replace('.', '/')}.py"

    def without(self, source: str) -> str:
        """The source without the guard. Raises `ValueError` where it does not stand in it exactly once."""
        found = source.count(self.guarded)
        if found != 1:
            raise ValueError(f"the guard {self.name!r} stands {found} times in {self.module}")
        return source.replace(self.guarded, self.unguarded)


class _Unguarded(SourceFileLoader):
    def __init__(self, guard: Guard) -> None:
        super().__init__(guard.module, str(guard.path))
        self._guard = guard

    def get_code(self, fullname: str) -> CodeType:
        """The code of the source without the guard, and never of a compiled file."""
        assert fullname == self._guard.module
        return compile(self._guard.without(self._guard.path.read_text("utf-8")), self.path, "exec")


class _Finder(MetaPathFinder):
    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._guard.module:
            return None
        assert PathFinder.find_spec(fullname, path, target), fullname
        return importlib.util.spec_from_loader(fullname, _Unguarded(self._guard))


def take_out(guard: Guard) -> None:
    """Have this process import the guard's module without it; nothing may have imported it yet."""
    assert guard.module not in sys.modules, "it is imported already"
    sys.meta_path.insert(0, _Finder(guard))
