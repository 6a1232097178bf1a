"""Hash the code that a stage runs: its module, the modules that it imports, and the data files next to them.

Comments, docstrings and layout do not change the hash. A stage runs again after a change of its code, not after a
change of wording.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tgl.core.parse_cache import parse_cache

_ROOT = Path(__file__).parents[1]
_PACKAGE = "tgl"


def code_hash(*modules: str) -> str:
    """Return 12 hexadecimal digits that identify the code of modules and of everything that they import.

    The function follows imports within this package and within the package of each module. It includes a data file
    or folder next to a module in two cases: a string in the module equals its name, or the file has the module's
    name and a string in the module equals its suffix.

    Args:
        modules: Names of modules as in import statements, such as `tgl.train.run`.
    """
    closure: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in closure:
            closure.add(name)
            waiting.extend(_module(name)[1])
    digest = hashlib.sha1("".join(f"{name}={_module(name)[0]};" for name in sorted(closure)).encode())
    parse_cache().save()
    return digest.hexdigest()[:12]


@dataclass(frozen=True)
class _Source:
    """What the source of a module says: its code's digest, its imports, and the names of files that it can mean.

    imports: The level, module and names of each `from ... import`; level -1 for `import`.
    """

    digest: str
    imports: list[tuple[int, str | None, list[str]]]
    texts: list[str]


@cache
def _module(name: str) -> tuple[str, tuple[str, ...]]:
    """Return (hash of the module's code and data, modules that it imports from tgl and from its own package)."""
    path = _path(name)
    source = _parsed(path.read_bytes())
    followed, imported = {_PACKAGE, name.partition(".")[0]}, []
    for level, module, names in source.imports:
        if level < 0:
            imported += [alias for alias in names if alias.partition(".")[0] in followed]
            continue
        whole = _absolute(name, path, level=level, module=module)
        if whole.partition(".")[0] in followed:
            inner = [f"{whole}.{alias}" for alias in names]
            imported += [name for name in inner if _path(name).is_file()] or [whole]
    digest = hashlib.sha1(source.digest.encode())
    for file in sorted(_data_files(path, source.texts)):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest(), tuple(imported)


def _parsed(content: bytes) -> _Source:
    """Return what a source says. Parsing takes most of the time, so it is kept for other processes."""
    kept = parse_cache()
    key = hashlib.sha1(content).hexdigest()
    if key not in kept.values:
        kept.values[key] = dataclasses.astuple(_parse(content))
        kept.changed = True
    return _Source(*kept.values[key])


def _parse(content: bytes) -> _Source:
    tree = _Executed().visit(ast.parse(content))
    imports = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            imports.append((node.level, node.module, [alias.name for alias in node.names]))
        elif isinstance(node, ast.Import):
            imports.append((-1, None, [alias.name for alias in node.names]))
        if (
            isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) if _is_name(node.value)}
    return _Source(hashlib.sha1(ast.dump(tree).encode()).hexdigest(), imports, sorted(texts))


def _absolute(name: str, path: Path, *, level: int, module: str | None) -> str:
    """Return the full name of the module that `from ... import` names, also of a relative one."""
    parts = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    parts = parts[: len(parts) + 1 - level] if level else []
    return ".".join([*parts, *filter(None, [module])])


class _Executed(ast.NodeTransformer):
    """Drops the imports that only type checkers see."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        """Drop `if TYPE_CHECKING:`."""
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)


def _data_files(path: Path, texts: Iterable[str]) -> Iterator[Path]:
    for text in texts:
        place = path.with_suffix(text) if text.startswith(".") else path.with_name(text)
        files = place.iterdir() if place.is_dir() else [place]
        yield from (file for file in files if file.is_file() and file.suffix != ".py")


def _is_name(value: object) -> bool:
    """Return whether a value can be the name or suffix of a file."""
    return (
        isinstance(value, str) and 1 < len(value) < 100 and not set(value) & set("/\\\0 \n") and value != ".."
    )


def _path(name: str) -> Path:
    top, _, rest = name.partition(".")
    path = _root(top).joinpath(*rest.split(".")) if rest else _root(top)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _root(package: str) -> Path:
    """Return the folder of a package, or a top-level module's path without suffix."""
    if package == _PACKAGE:
        return _ROOT
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no package '{package}'", name=package)
    file = Path(spec.origin)
    return file.parent if file.name == "__init__.py" else file.with_suffix("")
