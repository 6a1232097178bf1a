"""Hash the code that a stage runs: its module, the modules that it imports, and the data files next to them.

Comments, docstrings and layout do not change the hash. A stage runs again after a change of its code, not after a
change of wording.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

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
    return digest.hexdigest()[:12]


@cache
def _module(name: str) -> tuple[str, tuple[str, ...]]:
    """Return (hash of the module's code and data, modules that it imports from tgl and from its own package)."""
    path = _path(name)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree = _Executed().visit(tree)
    followed, imported = {_PACKAGE, name.partition(".")[0]}, []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            source = _absolute(name, path, node)
            if source.partition(".")[0] in followed:
                names = [f"{source}.{alias.name}" for alias in node.names]
                imported += [name for name in names if _path(name).is_file()] or [source]
        elif isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names if alias.name.partition(".")[0] in followed]
        if (
            isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    digest = hashlib.sha1(ast.dump(tree).encode())
    for file in sorted(_data_files(path, tree)):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest(), tuple(imported)


def _absolute(name: str, path: Path, node: ast.ImportFrom) -> str:
    """Return the full name of the module that `from ... import` names, also of a relative one."""
    parts = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    parts = parts[: len(parts) + 1 - node.level] if node.level else []
    return ".".join([*parts, *filter(None, [node.module])])


class _Executed(ast.NodeTransformer):
    """Drops the imports that only type checkers see."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        """Drop `if TYPE_CHECKING:`."""
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)


def _data_files(path: Path, tree: ast.Module) -> Iterator[Path]:
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) if _is_name(node.value)}
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
