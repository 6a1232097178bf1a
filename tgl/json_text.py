"""JSON from outside: what cannot be printed, stored or walked through later is refused when it is read."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path

from tgl.errors import TglError
from tgl.faults import reason
from tgl.files import check_file, how_to_mend

MOST_LEVELS = 60


def parse_json(text: str, *, unique_keys: bool = False) -> object:
    """Return the value of JSON text.

    Raises ValueError for what is no JSON, for numbers of thousands of digits, and as `check_values`; with
    `unique_keys` also for an object that holds a key twice, of which JSON would keep the last.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique if unique_keys else None)
    except RecursionError:
        raise ValueError(f"nested more than {MOST_LEVELS} levels deep") from None
    check_values(value)
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is written twice")
    return found


def read_json(path: str | Path, kind: type = dict, advice: str | None = None) -> dict | list:
    """Read a JSON file that holds an object (`kind=dict`) or a list (`kind=list`).

    Every JSON file of the project is read here. advice: a sentence on what to do about a damaged file, None:
    `how_to_mend`. Raises TglError naming the file for a missing or unreadable file,
    for text that `parse_json` refuses, and for a value of another kind.
    """
    expected = {dict: "an object", list: "a list"}[kind]
    check_file(path, f"JSON that holds {expected}")
    try:
        value = parse_json(Path(path).read_text(encoding="utf-8"), unique_keys=True)
    except OSError as error:
        raise TglError(f"{path}: {reason(error)}. Expected JSON that holds {expected}") from None
    except ValueError as error:  # UnicodeDecodeError too
        raise TglError(
            f"{path}: not valid JSON ({error}); expected {expected}. {advice or how_to_mend(path)}"
        ) from None
    if not isinstance(value, kind):
        raise TglError(
            f"{path}: holds {type(value).__name__}, expected {expected}. {advice or how_to_mend(path)}"
        )
    return value


def check_values(value: object, most_values: int | None = None) -> None:
    """Raise ValueError for lists and mappings that are nested too deeply, and texts that UTF-8 cannot hold.

    Those have halves of surrogate pairs, as "\\ud800". With `most_values`, also when there are more keys and values
    together: one that occurs in several places (an alias of YAML) counts in each, so that few lines can stand for
    billions.
    """
    level, count = [value], 1
    for _ in range(MOST_LEVELS):
        for text in level:
            if isinstance(text, str):
                text.encode()
        inner = itertools.chain.from_iterable(map(_inside, level))
        level = list(inner if most_values is None else itertools.islice(inner, most_values + 1))
        count += len(level)
        if most_values is not None and count > most_values:
            raise ValueError(f"more than {most_values} keys and values, aliases counted where they are used")
        if not level:
            return
    raise ValueError(f"nested more than {MOST_LEVELS} levels deep")


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return itertools.chain(value, value.values())
    return value if isinstance(value, list) else ()
