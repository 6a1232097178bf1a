"""What all probe sources share: the split of a subject, the cap by kind, and the example of a row."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import lzma
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from tgl.config_probes import ProbesConfig
from tgl.errors import TglError
from tgl.json_text import parse_json

# Characters of a probe file, unpacked: a few kilobytes of .xz can stand for gigabytes.
_MOST_CHARACTERS = 1 << 29
_OPENERS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def split_of(subject: str, settings: ProbesConfig) -> str:
    """Return 'test', 'validation' or 'train': all probes of a subject are in the same split."""
    share = drawn(f"split:{settings.seed}:{subject}")
    if share < settings.test_share:
        return "test"
    return "validation" if share < settings.test_share + settings.validation_share else "train"


def at_most_per_kind(rows: Iterable[dict], settings: ProbesConfig) -> list[dict]:
    """Keep at most max_per_kind probes of each (set, kind, period), drawn by hash of their subject, in order."""
    rows = list(rows)
    if settings.max_per_kind is None:
        return rows
    groups: dict[tuple, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        groups[row["set"], row["kind"], row["period"]].append(number)
    kept: set[int] = set()
    for members in groups.values():
        members.sort(key=lambda n: (drawn(f"cap:{settings.seed}:{rows[n]['answer_group']}"), n))
        kept.update(members[: settings.max_per_kind])
    return [row for number, row in enumerate(rows) if number in kept]


@contextlib.contextmanager
def open_text(path: str | Path) -> Iterator[TextIO]:
    """Yield a file's text; .gz, .bz2 and .xz are unpacked. Raises TglError naming a file that is missing or damaged."""
    path = Path(path)
    if not path.is_file():
        raise TglError(f"{path}: no such probe file")
    try:
        with _OPENERS.get(path.suffix, open)(path, "rt", encoding="utf-8") as stream:
            yield stream
    except (EOFError, OSError, zlib.error, lzma.LZMAError, UnicodeDecodeError) as error:
        raise TglError(f"{path}: cannot be read ({error}); the file is damaged") from None


def read_records(path: str | Path) -> Iterator[tuple[int, dict]]:
    """Yield (number, object) of a JSON list, of JSON lines, or of one JSON object, packed or not.

    Raises TglError naming the file and line of what is no JSON object.
    """
    with open_text(path) as stream:
        text = stream.read(_MOST_CHARACTERS + 1)
    if len(text) > _MOST_CHARACTERS:
        raise TglError(f"{path}: more than {_MOST_CHARACTERS} characters; expected a file of probes")
    if text.lstrip().startswith("["):
        try:
            records = parse_json(text, unique_keys=True)
        except ValueError as error:
            raise TglError(f"{path}: not JSON ({error})") from None
        numbered = list(enumerate(records, 1))
    else:
        numbered = []
        if text.lstrip().startswith("{"):
            with contextlib.suppress(ValueError):
                numbered, text = [(1, parse_json(text, unique_keys=True))], ""
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                try:
                    numbered.append((number, parse_json(line, unique_keys=True)))
                except ValueError as error:
                    raise TglError(f"{path}, line {number}: not JSON ({error})") from None
    for number, record in numbered:
        if not isinstance(record, dict):
            raise TglError(f"{path}, record {number}: {type(record).__name__} found, a JSON object expected")
        yield number, record


def drawn(key: str) -> float:
    """Return a number from [0, 1) that the key alone decides."""
    return int.from_bytes(hashlib.sha1(key.encode()).digest()[:8], "big") / 2**64
