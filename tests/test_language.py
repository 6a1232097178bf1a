"""The project's text uses standard terms. These words were used in private senses; none of them may come back."""

import re
import subprocess

import pytest

from tests.support.paths import REPOSITORY

DIALECT = (
    "not told",
    "told from",
    "is told",
    "says nothing",
    "is said",
    "says how",
    "given up on",
    "passed over",
    "left alone",
    "anew",
    "beside",
    "from nothing",
    "a fault of tgl",
)
# These list words of it.
LISTS = ("test_language.py", "test_statements.py")
TEXTS = {".py", ".md", ".smk", ".yaml", ".yml", ".j2", ".toml", ".cff", ".csv", ""}


def tracked_texts() -> list:
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout of git")
    files = [REPOSITORY / name for name in listed.stdout.splitlines()]
    return [file for file in files if file.suffix in TEXTS and file.is_file() and file.name not in LISTS]


@pytest.mark.parametrize("words", DIALECT)
def test_no_word_of_the_old_dialect_is_left(words):
    pattern = re.compile(r"\b" + " +".join(map(re.escape, words.split())) + r"\b", re.IGNORECASE)
    found = [
        f"{file.relative_to(REPOSITORY)}: {match[0]!r}"
        for file in tracked_texts()
        for match in pattern.finditer(file.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []
