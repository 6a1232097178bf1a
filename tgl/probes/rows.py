"""Share what all probe sources need: the split of a subject, the cap for each kind, and file reading."""

from __future__ import annotations

import contextlib
import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from tgl.core.errors import TglError
from tgl.core.json_text import parse_json
from tgl.core.open_text import open_text
from tgl.probes.settings import ProbesConfig

# Limit of the unpacked characters of a probe file, because a few kilobytes of .xz can expand to gigabytes.
_MOST_CHARACTERS = 1 << 29
_WHAT = "a file of probes"


def split_of(subject: str, settings: ProbesConfig) -> str:
    """Return 'test', 'validation' or 'train' for a subject, so that all its probes are in the same split."""
    share = drawn(f"split:{settings.seed}:{unicodedata.normalize('NFC', subject)}")
    if share < settings.test_share:
        return "test"
    return "validation" if share < settings.test_share + settings.validation_share else "train"


def at_most_per_kind(rows: Iterable[dict], settings: ProbesConfig) -> list[dict]:
    """Keep at most `max_per_kind` probes of each set, kind and period, selected by a hash of the answer group."""
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


def read_records(path: str | Path) -> Iterator[tuple[int, dict]]:
    """Read a JSON list, JSON lines or a single JSON object, compressed or not.

    Yields:
        The number of the record or line, from 1, and the object.

    Raises:
        TglError: Something in the file is not a JSON object. The message names the file and the line.
    """
    with open_text(path, _WHAT) as stream:
        text = stream.read(_MOST_CHARACTERS + 1)
    if len(text) > _MOST_CHARACTERS:
        raise TglError(
            f"{path}: more than {_MOST_CHARACTERS} characters after unpacking. Expected a file of probes"
        )
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
            raise TglError(f"{path}, record {number}: found {type(record).__name__}, expected a JSON object")
        yield number, record


def drawn(key: str) -> float:
    """Return a pseudo-random number in [0, 1) that depends only on the key."""
    return int.from_bytes(hashlib.sha1(key.encode()).digest()[:8], "big") / 2**64
