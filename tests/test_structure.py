"""Rules of the package's structure: few parameters, keyword-only beyond three, and imports that form no circle."""

import ast
from collections.abc import Iterator

import pytest

from tests.support.paths import REPOSITORY
from tgl.core import code_hash

PACKAGE = REPOSITORY / "tgl"
MOST_PARAMETERS, MOST_POSITIONAL = 7, 3
# torch calls `forward`, and `partial` binds `_article`: both by position.
POSITIONAL = {"forward", "_article", "__torch_function__", "__torch_dispatch__"}


def is_command(node: ast.FunctionDef) -> bool:
    """Tell whether a function is a command, whose parameters are options."""
    called = [item.func for item in node.decorator_list if isinstance(item, ast.Call)]
    return any(getattr(item, "id", getattr(item, "attr", "")) in ("command", "callback") for item in called)


def functions() -> Iterator[tuple[str, str, int, int]]:
    """Yield (file, name, number of parameters, number of positional ones) of each function and method but commands."""
    for path in sorted(PACKAGE.rglob("*.py")):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        methods = [item for node in body if isinstance(node, ast.ClassDef) for item in node.body]
        for node in [*body, *methods]:
            if isinstance(node, ast.FunctionDef) and not is_command(node):
                given = [*node.args.posonlyargs, *node.args.args]
                positional = [item for item in given if item.arg not in ("self", "cls")]
                name = str(path.relative_to(REPOSITORY))
                yield name, node.name, len(positional) + len(node.args.kwonlyargs), len(positional)


def test_no_function_has_more_than_seven_parameters():
    assert [(file, name) for file, name, total, _ in functions() if total > MOST_PARAMETERS] == []


def test_parameters_beyond_three_are_keyword_only():
    found = [(f, name) for f, name, _, n in functions() if n > MOST_POSITIONAL and name not in POSITIONAL]
    assert found == []


def packages() -> dict[str, set[str]]:
    """Return the packages that each package of tgl imports, anywhere but for type checkers."""
    arrows: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        if len(parts) > 2:
            name = ".".join(parts).removesuffix(".__init__")
            own = arrows.setdefault(parts[1], set())
            own |= {other.split(".")[1] for other in code_hash._module(name)[1] if "." in other} - {parts[1]}
    return arrows


@pytest.mark.parametrize("start", sorted(packages()))
def test_packages_import_each_other_in_no_circle(start):
    arrows, reached, waiting = packages(), set(), [start]
    while waiting:
        new = arrows.get(waiting.pop(), set()) - reached
        reached |= new
        waiting += new
    assert start not in reached
