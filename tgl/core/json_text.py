"""Read JSON from outside, and refuse values that later steps could not print, store or traverse."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path

from tgl.core.errors import TglError
from tgl.core.faults import reason
from tgl.core.files import check_file, how_to_mend

MOST_LEVELS = 60


def parse_json(text: str, *, unique_keys: bool = False) -> object:
    """Return the value of JSON text.

    Args:
        text: The JSON text.
        unique_keys: Whether to refuse an object that holds a key twice. JSON keeps the last of them.

    Raises:
        ValueError: The text is not JSON, holds a number with thousands of digits, holds a value that
            `check_values` refuses, or holds a key twice.
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
    """Read a JSON file that holds an object or a list. The project reads all its JSON files with this function.

    Args:
        path: The file.
        kind: `dict` for an object, `list` for a list.
        advice: A sentence with what to do about a damaged file. None: `how_to_mend`.

    Raises:
        TglError: The file is missing or cannot be read, `parse_json` refuses its text, or its value is of another
            kind.
    """
    expected = {dict: "an object", list: "a list"}[kind]
    check_file(path, f"JSON that holds {expected}")
    try:
        value = parse_json(Path(path).read_text(encoding="utf-8"), unique_keys=True)
    except OSError as error:
        raise TglError(f"{path}: {reason(error)}. Expected JSON that holds {expected}") from None
    except ValueError as error:  # UnicodeDecodeError is a ValueError too.
        raise TglError(
            f"{path}: not valid JSON ({error}); expected {expected}. {advice or how_to_mend(path)}"
        ) from None
    if not isinstance(value, kind):
        raise TglError(
            f"{path}: holds {type(value).__name__}, expected {expected}. {advice or how_to_mend(path)}"
        )
    return value


def check_values(value: object, most_values: int | None = None) -> None:
    """Check that a value is not nested too deeply and that UTF-8 can encode its texts.

    UTF-8 cannot encode halves of surrogate pairs, such as "\\ud800".

    Args:
        value: The value of JSON or YAML text.
        most_values: Largest number of keys and values together. A value that occurs in several places (an alias in
            YAML) counts in each place, because a few lines of aliases can expand to billions of values.

    Raises:
        ValueError: The value breaks one of these limits. UnicodeEncodeError for texts.
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
            raise ValueError(f"more than {most_values} keys and values, counting each use of an alias")
        if not level:
            return
    raise ValueError(f"nested more than {MOST_LEVELS} levels deep")


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return itertools.chain(value, value.values())
    return value if isinstance(value, list) else ()
