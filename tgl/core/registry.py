"""Registries of what other packages can add: policies, baselines, probe sets, sources, architectures.

A registry finds its entries by name. An entry is either a module of one package, which has the entry's name and holds
the object in an attribute, or an entry point of an installed package in the registry's group:

    [project.entry-points."tgl.policies"]
    odd = "own_package.odd:POLICY"
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from tgl.core.errors import TglError, nearest

_ROOT = Path(__file__).parents[1]
# Names become parts of folder names and of longer names.
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Registry:
    """Entries of one kind.

    Attributes:
        kind: What messages call an entry, such as "policy".
        kinds: The plural; it ends the name of the entry points' group, such as "tgl.policies".
        package: The package whose modules are the shipped entries.
        attribute: The name of the object in each module.
        expected: The class of the objects.
        classes: Whether the objects are classes derived from `expected`.
    """

    kind: str
    kinds: str
    package: str
    attribute: str
    expected: type
    classes: bool = False

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def names(self) -> tuple[str, ...]:
        """Return the names of all entries: the shipped ones, then those of other packages, each sorted."""
        return (*self.shipped(), *sorted(self._others()))

    def shipped(self) -> tuple[str, ...]:
        """Return the names of the entries that come with tgl, sorted."""
        return _modules(self.package)

    def module(self, name: str) -> str:
        """Return the name of the module that holds an entry, without importing it.

        Raises:
            TglError: No entry has this name.
        """
        if name in self.shipped():
            return f"{self.package}.{name}"
        return self._other(name).module

    def get(self, name: str):
        """Return the object of an entry.

        Raises:
            TglError: No entry has this name, or the entry cannot be imported or has the wrong class.
        """
        if name in self.shipped():
            return getattr(import_module(f"{self.package}.{name}"), self.attribute)
        point = self._other(name)
        try:
            found = point.load()
        except Exception as error:  # Code of another package can raise anything.
            raise TglError(
                f"{self.kind} '{name}': '{point.value}' of {_origin(point)} cannot be imported "
                f"({type(error).__name__}: {error}). Correct that package, or uninstall it"
            ) from error
        if not self._fits(found):
            expected = "a class derived from" if self.classes else "an object of the class"
            raise TglError(
                f"{self.kind} '{name}': '{point.value}' of {_origin(point)}: found {found!r:.100}, expected "
                f"{expected} {self.expected.__name__}. Correct the entry point"
            )
        return found

    def _fits(self, found: object) -> bool:
        if self.classes:
            return isinstance(found, type) and issubclass(found, self.expected)
        return isinstance(found, self.expected)

    def unknown(self, name: str) -> TglError:
        """Return the error for a name that no entry has. It lists the known names."""
        names = self.names()
        return TglError(f"no {self.kind} '{name}'{nearest(name, names)}; known: {', '.join(names)}")

    def _other(self, name: str) -> EntryPoint:
        try:
            return self._others()[name]
        except KeyError:
            raise self.unknown(name) from None

    def _others(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for point in _points(f"tgl.{self.kinds}"):
            if not _NAME.fullmatch(point.name):
                raise TglError(
                    f"{self.kind} '{point.name}' of {_origin(point)}: expected a name of small letters, digits and _, "
                    "beginning with a letter. Rename its entry point"
                )
            other = found.setdefault(point.name, point)
            if point.name in self.shipped() or other != point:
                owner = "tgl" if point.name in self.shipped() else _origin(other)
                raise TglError(
                    f"{self.kind} '{point.name}' of {_origin(point)}: {owner} already has one with this name. "
                    "Rename the entry point, or uninstall one of the packages"
                )
        return found


@cache
def _modules(package: str) -> tuple[str, ...]:
    folder = _ROOT.joinpath(*package.split(".")[1:])
    return tuple(sorted(file.stem for file in folder.glob("[a-z]*.py")))


@cache
def _points(group: str) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=group))


def _origin(point: EntryPoint) -> str:
    return f"the package '{point.dist.name}'" if point.dist else "an installed package"
