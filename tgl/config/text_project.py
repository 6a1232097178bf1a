"""Plan a project on text of one's own: dates from the names of its files, lengths from its size. Pure functions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from tgl.core.errors import TglError
from tgl.snapshots.documents.document import Document

_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)(?:[-_.]?(0[1-9]|1[0-2])(?:[-_.]?(0[1-9]|[12]\d|3[01]))?)?(?!\d)")
# Characters of one token, for estimates. English text has about four with the tokenizers of common models.
_CHARACTERS_A_TOKEN = 4
_FEWEST_STEPS, _MOST_STEPS = 20, 1000
_BLOCK, _BATCH, _SCRATCH_BLOCK = 256, 4, 128


@dataclass(frozen=True)
class Sizes:
    """The size of a project's text.

    Attributes:
        documents: Number of documents at each date.
        characters: Characters of the first date.
        new_characters: Characters of the documents that are new or changed, at each later date. The sentences that a
            period trains on are a part of them.
    """

    documents: tuple[int, ...]
    characters: int
    new_characters: tuple[int, ...]


def date_in(name: str) -> str | None:
    """Return the date in a name as YYYYMMDD, or None; a year or a month stands for its first day.

    Of several dates in a name, the last one with the most parts counts.
    """
    found = [match.groups() for match in _DATE.finditer(name)]
    if not found:
        return None
    year, month, day = max(reversed(found), key=lambda parts: sum(part is not None for part in parts))
    return f"{year}{month or '01'}{day or '01'}"


def dated(paths: Sequence[str], dates: Sequence[str]) -> dict[str, str]:
    """Return the collection of each date, in order of the dates.

    Args:
        paths: The collections.
        dates: Their dates, or none: the dates are then in the last part of each path that has one.

    Raises:
        TglError: A date is missing or occurs twice, or there are fewer than two.
    """
    if dates and len(dates) != len(paths):
        raise TglError(
            f"--date: found {len(dates)} for {len(paths)} collections, expected one each, in their order"
        )
    found: dict[str, str] = {}
    for path, date in zip(paths, dates or map(_date_of, paths), strict=True):
        if date is None:
            raise TglError(
                f"--text: no date in the name '{path}', expected one such as 2021-12-30. Give a --date for each --text"
            )
        if date in found:
            raise TglError(
                f"--text: '{found[date]}' and '{path}' are both of {date}; expected one for each date"
            )
        found[date] = path
    if len(found) < 2:
        raise TglError(f"--text: found {len(found)} collection, expected at least two, of different dates")
    return dict(sorted(found.items()))


def _date_of(path: str) -> str | None:
    return next(filter(None, map(date_in, reversed(PurePath(path).parts))), None)


def sizes_of(collections: Iterable[Iterable[Document]]) -> Sizes:
    """Return the sizes of the collections of each date, in order. Memory holds a digest for each document."""
    documents, new, characters = [], [], 0
    before: dict[str, str] | None = None
    for collection in collections:
        now: dict[str, str] = {}
        size = changed = 0
        for document in collection:
            digest = now[document.identity] = hashlib.sha1(document.text.encode()).hexdigest()
            size += len(document.text)
            changed += len(document.text) * (before is not None and before.get(document.identity) != digest)
        documents.append(len(now))
        if before is None:
            characters = size
        else:
            new.append(changed)
        before = now
    return Sizes(tuple(documents), characters, tuple(new))


def steps_for(characters: int, block_size: int, batch_size: int) -> int:
    """Return the training steps that read a text once, between 20 and 1,000."""
    tokens = characters / _CHARACTERS_A_TOKEN
    return min(_MOST_STEPS, max(_FEWEST_STEPS, round(tokens / (block_size * batch_size))))


def text_settings(
    name: str, collections: Mapping[str, str], sizes: Sizes, *, model: str | None, probes: str | None
) -> dict:
    """Return the keys of the configuration of a project on text of one's own.

    Args:
        name: The name of the experiment.
        collections: The path of each date's collection.
        sizes: The size of its text.
        model: A pretrained model to continue, or None: a small model is pretrained on the first date.
        probes: A file of probes, or None: they are made of the sentences that changed.
    """
    block = _BLOCK if model else _SCRATCH_BLOCK
    batch = _BATCH if model else 2 * _BATCH
    found = {
        "experiment": name,
        "seeds": [0, 1],
        "methods": ["full", "tgl_fp", "last", "random", "full+replay.0.33"],
        "snapshots": {
            "source": "documents",
            "dates": list(collections),
            "documents": {"collections": dict(collections)},
        },
        "probes": {"sets": ["json_lines"], "json_lines": {"file": probes}}
        if probes
        else {
            "sets": ["snapshots"],
            # Most collections state a fact once. Its sentence would be missing from the training text otherwise.
            "snapshots": {"withhold": False, "taught": False},
        },
        "tokens": {"block_size": block, "vocab_size": 2000},
        "agree": {"facts": 0},
        "train": {
            "steps": steps_for(max(sizes.new_characters), block, batch),
            "batch_size": batch,
            "learning_rates": [0.00003, 0.0001] if model else [0.001, 0.002],
        },
        "gate": {"binding": False},
    }
    if model:
        found["tokens"] = {"block_size": block, "tokenizer": model}
        found["model"] = {"name": "pretrained", "load": model, "pretrain": {"steps": 0}}
    else:
        epochs = 10 * steps_for(sizes.characters, block, batch)
        found["model"] = {"name": "gpt2-6x96", "pretrain": {"steps": epochs, "keep": []}}
    return found
