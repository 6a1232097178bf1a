"""What MediaWiki calls things in each language: files, categories, behaviour switches, names of pages, separators.

The names are data (`wiki_names.json`), from MediaWiki's own tables of messages. Dumps list the namespaces of their wiki
but not the aliases, which links use too. Every wiki knows the English names besides its own.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tgl.core.languages import LANGUAGES

_FILE = Path(__file__).with_suffix(".json")
# Codes in links that differ from those of languages, or have more parts.
_MORE_CODES = (
    "simple be-x-old be-tarask zh-min-nan zh-yue zh-classical zh-cn zh-tw roa-rup roa-tara nds-nl bat-smg fiu-vro "
    "map-bms cbk-zam aeb-arab bh dk cz jp epo minnan nan-tw"
).split()
LANGUAGE_CODES = LANGUAGES | frozenset(_MORE_CODES)


@dataclass(frozen=True)
class WikiNames:
    """The names of one language with the English ones.

    Attributes:
        dropped_links: Namespaces of files, media and categories.
        switches: Matches __TOC__ and the like.
        end_sections: Usual headings of the sections of references, notes and links; none for a language without them.
        page_names: Variables for the title of the page, in capitals.
        separators: Between groups of three digits and before the fraction of a number.
        fewest_digits: Whole numbers with fewer digits have no separator.
    """

    dropped_links: tuple[str, ...]
    switches: re.Pattern
    end_sections: tuple[str, ...]
    page_names: frozenset[str]
    separators: tuple[str, str]
    fewest_digits: int


@lru_cache(maxsize=64)
def wiki_names(language: str) -> WikiNames:
    """Return the names of a language; those of an unknown language are the English ones."""
    every = json.loads(_FILE.read_text(encoding="utf-8"))
    english, own = every["en"], every.get(language, {})

    def names(key: str) -> list[str]:
        return list(dict.fromkeys([*english[key], *own.get(key, ())]))

    switches = sorted(map(re.escape, names("switches")), key=len, reverse=True)
    group, point, fewest = own.get("number") or english["number"]
    return WikiNames(
        tuple(names("links")),
        re.compile(rf"__(?:{'|'.join(switches)})__", re.IGNORECASE),
        tuple(own.get("sections", ())),
        frozenset(names("page")),
        (group, point),
        fewest,
    )


@lru_cache(maxsize=16)
def dropped_link(names: tuple[str, ...]) -> re.Pattern:
    """Return what the target of a dropped link begins with; blanks in a name may be underscores."""
    pieces = [r"[\s_]+".join(map(re.escape, name.replace("_", " ").split())) for name in names]
    return re.compile(rf"\s*(?:{'|'.join(filter(None, pieces))})\s*:", re.IGNORECASE)


def formatted_number(text: str, language: str) -> str:
    """Return a number with the separators of a language, as {{formatnum:}} writes it; other text as it is."""
    match = re.fullmatch(r"([-+−]?)(\d+)(?:\.(\d+))?", text)
    if match is None:
        return text
    names = wiki_names(language)
    sign, whole, fraction = match.groups()
    if len(whole) >= names.fewest_digits:
        whole = re.sub(r"(?<=\d)(?=(?:\d{3})+$)", names.separators[0], whole)
    return sign + whole + (names.separators[1] + fraction if fraction else "")
