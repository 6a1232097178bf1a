"""What parsing a source gave, by the hash of its bytes, in a file of this user's cache.

The file only saves time: what cannot be read or written is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

# Sources that a file holds at most: some ten states of this package.
_MOST = 3000


@dataclass
class ParseCache:
    """Results by hash, and whether there are new ones."""

    path: Path
    values: dict[str, list] = field(default_factory=dict)
    changed: bool = False

    def save(self) -> None:
        """Write new results. The file is complete at each moment, since it is renamed into its place."""
        if not self.changed:
            return
        self.changed = False
        newest = dict(list(self.values.items())[-_MOST:])
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(dir=self.path.parent)
            try:
                with open(handle, "w", encoding="utf-8") as stream:
                    json.dump(newest, stream)
                os.replace(part, self.path)
            except OSError:
                Path(part).unlink(missing_ok=True)


@cache
def parse_cache() -> ParseCache:
    """Return the cache of this user, of this version of Python and of the code that parses."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    parser = hashlib.sha1(Path(__file__).with_name("code_hash.py").read_bytes()).hexdigest()[:12]
    path = folder / "tgl" / f"parsed-{sys.version_info[0]}.{sys.version_info[1]}-{parser}.json"
    values: object = None
    with contextlib.suppress(OSError, ValueError):
        values = json.loads(path.read_text(encoding="utf-8"))
    found = values.items() if isinstance(values, dict) else ()
    return ParseCache(path, {key: value for key, value in found if _is_result(value)})


def _is_result(value: object) -> bool:
    """Return whether a value is a digest, a list of imports and a list of texts."""
    return isinstance(value, list) and list(map(type, value)) == [str, list, list]
