import re
from pathlib import Path

import pytest

from tgl.core import code_hash as code_hash_module
from tgl.core.code_hash import code_hash

FILES = {
    "__init__.py": '"""Package."""\n',
    "stage.py": "from tgl.part import helper\nfrom tgl.deep import inner\n\n\ndef run():\n    return helper()\n",
    "part.py": 'import json\n\n\ndef helper():\n    """Help."""\n    import tgl.late\n    return tgl.late.VALUE\n',
    "late.py": "VALUE = 1\n",
    "deep/__init__.py": "",
    "deep/inner.py": "X = 1\n",
    "other.py": "Y = 1\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package in the place of tgl; returns a function that changes a file and hashes `tgl.stage`."""
    monkeypatch.setattr(code_hash_module, "_ROOT", tmp_path)
    code_hash_module._root.cache_clear()
    (tmp_path / "deep").mkdir()
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)

    def hash_with(name: str | None = None, content: str = "") -> str:
        if name is not None:
            (tmp_path / name).write_text(content)
        code_hash_module._module.cache_clear()
        return code_hash("tgl.stage")

    yield hash_with
    code_hash_module._module.cache_clear()
    code_hash_module._root.cache_clear()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("stage.py", "return helper()", "return helper() + 1"),
        ("part.py", "return tgl", "return -tgl"),
        ("late.py", "1", "2"),
        ("deep/inner.py", "1", "2"),
    ],
)
def test_changed_code_anywhere_in_the_imports_changes_the_hash(package, name, old, new):
    before = package()
    assert package(name, FILES[name].replace(old, new)) != before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("part.py", FILES["part.py"].replace("Help.", "Another sentence.")),
        ("part.py", FILES["part.py"].replace('    """Help."""\n', "    # helps\n\n")),
        ("late.py", "# a comment\n\n\nVALUE   =   1  # and one more\n"),
        ("late.py", '"""A docstring."""\n\nVALUE = 1\n'),
        ("other.py", "Y = 2\n"),
    ],
)
def test_words_layout_and_unrelated_modules_do_not_change_the_hash(package, name, content):
    before = package()
    assert package(name, content) == before


def test_strings_that_are_no_docstrings_count(package):
    before = package("late.py", "VALUE = 'a'\n")
    assert package("late.py", "VALUE = 'b'\n") != before


@pytest.mark.parametrize("name", ["places.csv", "reading.json", "pages/page.html.j2"])
def test_data_files_next_to_the_module_that_reads_them_count(package, tmp_path, name):
    (tmp_path / "pages").mkdir()
    for other in ("places.csv", "reading.json", "pages/page.html.j2", "other.csv"):
        (tmp_path / other).write_text("a")
    package("reading.py", "A = ('places.csv', '.json', 'pages', 'other')\n")
    before = package("late.py", "import tgl.reading\nVALUE = 1\n")
    assert package("other.csv", "b") == before
    assert package(name, "b") != before


def test_modules_of_another_package_are_followed_there_and_in_this_one(package, tmp_path, monkeypatch):
    other = tmp_path / "elsewhere" / "own_policies"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("")
    (other / "policy.py").write_text(
        "import json\nfrom own_policies.rule import RULE\nfrom tgl.late import VALUE\n"
    )
    (other / "rule.py").write_text("RULE = 1\n")
    monkeypatch.syspath_prepend(other.parent)

    def found() -> str:
        code_hash_module._module.cache_clear()
        return code_hash("own_policies.policy")

    before = found()
    (other / "rule.py").write_text("RULE = 2\n")
    after = found()
    assert after != before
    (tmp_path / "late.py").write_text("VALUE = 3\n")
    assert found() != after


def test_modules_that_import_each_other_are_hashed(package):
    assert package("late.py", "import tgl.part\nVALUE = 1\n")


def test_hash_of_real_stages_is_stable_and_differs_between_them():
    pages, diff = code_hash("tgl.snapshots.extract.pages"), code_hash("tgl.text.diff.stage")
    assert re.fullmatch("[0-9a-f]{12}", pages)
    assert pages != diff
    assert code_hash("tgl.snapshots.extract.pages", "tgl.text.diff.stage") == code_hash(
        "tgl.text.diff.stage", "tgl.snapshots.extract.pages"
    )


def test_every_module_of_the_package_can_be_hashed():
    root = Path(code_hash_module.__file__).parents[1]
    names = {
        "tgl." + ".".join(path.relative_to(root).with_suffix("").parts)
        for path in root.rglob("*.py")
        if path.name != "__init__.py"
    }
    assert len({code_hash(name) for name in names}) == len(names)
