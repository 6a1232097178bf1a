"""Inline templates and what a reader sees of them: dates, units, numbers, names, text in other languages, lists.

The rules are data, a table for each language: `templates/en.json` lists the names of English Wikipedia with their usual
redirects. `templates/common.json` holds names that mean the same on every wiki. A wiki without a table of its own has
these alone, since an English name may mean something else there. A rule has

- `names`: the names of the template. A name that ends in * stands for every name that begins like it.
- `action` and `parameters`: one of `template_actions.ACTIONS`, and what it is called with.
- `examples`: wikitext and the text that it becomes. A test runs each of them.

A template without a rule is dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from tgl.core.errors import TglError
from tgl.snapshots.extract.template_actions import ACTIONS, Rule

TABLES = Path(__file__).with_name("templates")
COMMON = TABLES / "common.json"
_INFOBOX = re.compile(r"(infobox|taxobox|automatic taxobox|speciesbox|geobox|drugbox|chembox)\b|.* infobox$")


def normalised(name: str) -> str:
    """Return a template's name as MediaWiki compares it: _ is a blank, and the case of the first letter is ignored."""
    name = " ".join(name.replace("_", " ").split())
    return name[:1].upper() + name[1:]


@dataclass(frozen=True)
class RuleTable:
    """The rules of a file by the name of the template; names of `prefixes` stand for every name that begins so."""

    names: dict[str, Rule] = field(default_factory=dict)
    any_case: dict[str, Rule] = field(default_factory=dict)
    prefixes: dict[str, Rule] = field(default_factory=dict)

    def rule(self, name: str) -> Rule | None:
        """Return the rule of a name: of this spelling, else of one that differs in case only, else of its prefix.

        English Wikipedia has redirects for most spellings of a name in other case.
        """
        lower = name.lower()
        if found := self.names.get(name[:1].upper() + name[1:]) or self.any_case.get(lower):
            return found
        if self.prefixes and lower.startswith(tuple(self.prefixes)):
            return next(rule for prefix, rule in self.prefixes.items() if lower.startswith(prefix))
        return None


def read_entries(path: Path) -> list[dict]:
    """Return the rules of a file as they are written. Raises TglError for a file that is not such a list of objects."""
    # `tgl.core.json_text` would do this too, but each new cleaning process would wait longer for its imports.
    try:
        entries = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique)
    except (OSError, ValueError) as error:
        raise TglError(f"{path}: cannot be read ({error}). Expected a JSON list of rules. {_FIX}") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise TglError(f"{path}: not a list of objects. Expected a JSON list of rules. {_FIX}")
    return entries


def read_rules(path: Path, table: RuleTable | None = None) -> RuleTable:
    """Read a file of rules, and add them to a table if one is given.

    Raises TglError with the lines of both rules for a name that is written twice, in the same rule or in two: such
    names are equal once they are `normalised`. Raises it also for a rule that is not complete, or whose action or
    parameters do not exist.
    """
    table = table or RuleTable()
    number_of: dict[str, int] = {}
    for number, entry in enumerate(read_entries(path)):
        try:
            names = _texts(entry["names"])
            rule = ACTIONS[entry["action"]](**entry.get("parameters", {}))
        except (KeyError, TypeError) as error:
            raise TglError(
                f"{path}, line {_line(path, number)}: not a rule ({error}). Expected names, an action out of "
                f"{', '.join(ACTIONS)}, and its parameters. {_FIX}"
            ) from None
        for name in map(normalised, names):
            is_prefix = len(name) > 1 and name.endswith("*")
            name = name.lower() if is_prefix else name  # prefixes are compared without regard to case
            if name in number_of:
                raise TglError(
                    f"{path}: the template name '{name}' is written twice, in the rules of line "
                    f"{_line(path, number_of[name])} and line {_line(path, number)}. Expected each name once. Remove "
                    "one of the two."
                )
            if name in table.names or name[:-1] in table.prefixes:
                raise TglError(
                    f"{path}: '{name}' is in {COMMON.name} too. Expected it in one table. Remove one of the two."
                )
            number_of[name] = number
            if is_prefix:
                table.prefixes[name[:-1]] = rule
            else:
                table.names[name] = rule
                table.any_case.setdefault(name.lower(), rule)
    return table


_FIX = "Correct the file, or install the package again."


def _texts(value: object) -> list[str]:
    if isinstance(value, list) and value and all(isinstance(text, str) for text in value):
        return value
    raise TypeError("names is not a list of texts")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"an object has a key twice: {', '.join(key for key, _ in pairs)}")
    return found


def _line(path: Path, number: int) -> int:
    """Return the line in which the rule of this number, from 0, begins."""
    text = path.read_text(encoding="utf-8")
    decoder, start = json.JSONDecoder(), text.index("{")
    for _ in range(number):
        start = text.index("{", decoder.raw_decode(text, start)[1])
    return text.count("\n", 0, start) + 1


@lru_cache(maxsize=16)
def rules_of(language: str) -> Callable[[str], Rule | None]:
    """Return a function that gives the rule for a template of a name on a wiki of this language, None to drop it."""
    table = read_rules(COMMON)
    own = TABLES / f"{language}.json"
    if language != COMMON.stem and own.is_file():
        table = read_rules(own, table)

    @lru_cache(maxsize=1 << 14)
    def rule_of(name: str) -> Rule | None:
        return table.rule(name[9:] if name[:9].lower() == "template:" else name)

    return rule_of


def is_infobox(name: str) -> bool:
    """Tell whether a template is an infobox, whose parameters are facts."""
    return bool(_INFOBOX.match(name.lower()))
