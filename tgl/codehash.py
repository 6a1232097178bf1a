"""A hash of the code a stage runs: its module and all of this package that it imports, without comments.

Comments, docstrings and layout do not count, so that a changed stage runs again and a reworded sentence does not.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parent


def code_hash(*modules: str) -> str:
    """Return 12 hexadecimal digits for the modules (`tgl.wiki.pages`) and everything of tgl they import."""
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
    """Return (hash of the module's code, modules of tgl it imports)."""
    path = _path(name)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tgl":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            imported += [name for name in names if _exists(name)] or [node.module]
        elif isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names if alias.name.split(".")[0] == "tgl"]
        if (
            isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    # What a stage reads beside Python: the templates next to it, of pages and of probes.
    beside = "*.j2" if path.name == "page.py" else "templates.csv" if path.name == "templates.py" else ""
    extra = b"".join(file.read_bytes() for file in sorted(path.parent.glob(beside) if beside else []))
    return hashlib.sha1(ast.dump(tree).encode() + extra).hexdigest(), tuple(imported)


def _path(name: str) -> Path:
    path = _ROOT.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _exists(name: str) -> bool:
    return _path(name).is_file()
