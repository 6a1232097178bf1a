"""Small files that stand for gigabytes are refused within bounded memory."""

import bz2
import lzma
import re
import subprocess
import sys

import py7zr
import pytest

from tgl.core.errors import TglError
from tgl.probes import rows
from tgl.probes.given import read_probes
from tgl.snapshots.documents import records
from tgl.text.base_text import write_base_text

PAGE = b"<mediawiki><page><title>B</title><ns>0</ns><id>1</id><revision><id>7</id>"
TEXT = PAGE + b"<text>"
XML = "from tgl.snapshots.dumps.reader import read_pages\ncall = lambda path: print(sum(1 for _ in read_pages(path)))"
YAML = "from tgl.config.check import load_config as call"
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
{imports}
from tgl.core.errors import TglError
try:
    call(sys.argv[1])
except TglError as error:
    print(f"refused: {{error}}")
"""


def run_limited(path, imports: str, megabytes: int) -> str:
    """Return what a process with so much address space prints when it reads the file."""
    code = LIMITED.format(limit=megabytes << 20, imports=imports)
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def packed(head: bytes, filling: bytes, times: int, tail: bytes = b"") -> bytes:
    """Return bzip2 of a head, so many fillings of about a megabyte, and a tail, in streams of their own."""
    megabyte = bz2.compress(filling * ((1 << 20) // len(filling)))
    return bz2.compress(head) + megabyte * times + bz2.compress(tail)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (packed(TEXT, b"x", 300), "not well-formed"),
        (packed(b"<mediawiki>", b" ", 300), "not well-formed"),
        (packed(PAGE + b"<text a='", b"x", 300), "bytes without the end of a page"),
        (packed(PAGE, b"<!-- comment, a long one -->", 300), "bytes without the end of a page"),
        (
            packed(PAGE, b"<contributor>" + b"a" * 500 + b"</contributor>", 300),
            "bytes without the end of a page",
        ),
        (packed(PAGE, b"<a>", 300), "not well-formed"),
    ],
    ids=["text", "space", "attribute", "comments", "elements", "depth"],
)
def test_bzip2_that_unpacks_to_much_is_refused_in_little_memory(tmp_path, content, words):
    assert len(content) < 500_000
    (tmp_path / "d.xml.bz2").write_bytes(content)
    said = run_limited(tmp_path / "d.xml.bz2", XML, 1000)
    assert re.match(rf"refused: .*d\.xml\.bz2: .*{words}", said)


def test_a_long_history_is_read_in_little_memory(tmp_path):
    """Only a page's last revision counts, so that only it is held."""
    revision = b"<revision><id>8</id><text>" + b"y" * 100_000 + b"</text></revision>"
    content = packed(PAGE + b"</revision>", revision, 300, b"</page></mediawiki>")
    (tmp_path / "d.xml.bz2").write_bytes(content)
    assert run_limited(tmp_path / "d.xml.bz2", XML, 250).strip() == "1"


HISTORY = (
    "from tgl.snapshots.full_history.history import write_snapshots\n"
    "call = lambda path: write_snapshots(path, ['20200101', '20200102'], path + '.out')"
)
STAMP = b"<timestamp>2020-01-01T00:00:00Z</timestamp>"
REVISION = b"<revision><id>8</id>" + STAMP + b"<text>" + b"y" * 100_000 + b"</text></revision>"


@pytest.mark.parametrize(
    ("head", "filling", "tail", "words"),
    [
        (
            PAGE + STAMP + b"</revision>",
            REVISION,
            b"</page></mediawiki>",
            "20200101: .*'no_revision_before': 1",
        ),
        (TEXT, b"x" * 100_000, b"", "refused: .*xml.7z: not well-formed"),
        (PAGE + b"<text a='", b"x" * 100_000, b"", "refused: .*xml.7z: .*bytes without the end of a page"),
    ],
    ids=["history", "text", "attribute"],
)
def test_7z_that_unpacks_to_much_is_read_in_little_memory(tmp_path, head, filling, tail, words):
    with py7zr.SevenZipFile(
        tmp_path / "d.xml.7z", "w", filters=[{"id": py7zr.FILTER_LZMA2, "preset": 0}]
    ) as file:
        file.writestr(head + filling * 3000 + tail, "d.xml")
    assert (tmp_path / "d.xml.7z").stat().st_size < 500_000
    assert re.match(words, run_limited(tmp_path / "d.xml.7z", HISTORY, 1000))


def laughs(entity: str) -> str:
    """Return a DOCTYPE whose last entity stands for ten to the power of nine of them."""
    lines = [f'<!ENTITY a0 "{entity}">']
    lines += [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)]
    return f"<!DOCTYPE m [{''.join(lines)}]>"


@pytest.mark.parametrize("place", ["<text>&a9;</text>", '<text deleted="&a9;">t</text>'])
def test_entities_that_grow_are_refused_in_little_memory(tmp_path, place):
    page = PAGE.decode() + place + "</revision></page></mediawiki>"
    (tmp_path / "d.xml").write_text(laughs("ha") + page)
    said = run_limited(tmp_path / "d.xml", XML, 600)
    assert re.match(r"refused: .*d\.xml: (found a DOCTYPE|not well-formed)", said)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 10}]\n" for n in range(1, 12)),
            "counting each use of an alias",
        ),
        ("seeds: &s [1, *s]\n", "nested more than"),
        ("[" * 3_000, "nested too deeply"),
        ("methods: " + "[" * 100 + "]" * 100, "nested more than"),
        ("seeds: [" + "1, " * 25_000 + "]", "more than 20000 keys and values"),
    ],
    ids=["laughs", "itself", "deep", "levels", "long"],
)
def test_yaml_that_stands_for_much_is_refused_in_little_memory(tmp_path, text, words):
    (tmp_path / "c.yaml").write_text(text)
    said = run_limited(tmp_path / "c.yaml", YAML, 1500)
    assert re.match(rf"refused: .*c\.yaml: .*{words}", said)


def test_xz_that_unpacks_to_much_is_refused_before_it_is_all_there(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "_MOST_CHARACTERS", 1 << 16)
    monkeypatch.setattr(records, "MOST_CHARACTERS", 1 << 16)
    packed = lzma.compress(b" " * (1 << 24))
    (tmp_path / "p.jsonl.xz").write_bytes(packed)
    with pytest.raises(TglError, match=r"p\.jsonl\.xz: more than 65536 characters"):
        read_probes(tmp_path / "p.jsonl.xz")
    with pytest.raises(TglError, match=r"p\.jsonl\.xz, line 1: more than 65536 characters"):
        write_base_text(tmp_path / "p.jsonl.xz", tmp_path / "pages", None)
    assert not (tmp_path / "pages").exists()
