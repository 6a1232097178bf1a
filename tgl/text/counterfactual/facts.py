"""Read facts and their wordings from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tgl.core.errors import TglError
from tgl.core.files import check_file
from tgl.core.json_text import parse_json, read_json

_FACT = "a JSON object with the texts relation, subject and answer"


@dataclass(frozen=True)
class Fact:
    """One fact.

    Attributes:
        relation: The relation, a key of the wordings.
        subject: The subject.
        answer: The answer.
        ranks: The rank of the answer in each test wording, as `tgl known-facts` measures it; empty if not measured.
    """

    relation: str
    subject: str
    answer: str
    ranks: tuple[int, ...] = ()

    @property
    def known(self) -> bool:
        """Whether a model ranks the answer first in every test wording."""
        return bool(self.ranks) and set(self.ranks) == {1}


@dataclass(frozen=True)
class Wordings:
    """The sentences that state a relation, with {S} for the subject and {O} for the answer.

    Attributes:
        train: Sentences for the training text.
        test: Sentences of the probes. None of them is a training sentence.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]


def read_facts(path: str | Path) -> list[Fact]:
    """Read facts from JSON lines {relation, subject, answer} with optional ranks.

    Raises:
        TglError: A line is not a fact, or the file has no fact or the same fact twice.
    """
    check_file(path, "facts as JSON lines")
    found: dict[tuple[str, str, str], Fact] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise TglError(f"{path}: cannot be read ({error}), expected JSON lines in UTF-8") from None
    for number, line in enumerate(lines, 1):
        fact = _fact(line, f"{path}, line {number}")
        key = (fact.relation, fact.subject, fact.answer)
        if key in found:
            raise TglError(
                f"{path}, line {number}: the fact {' / '.join(key)} is given a second time. Remove it"
            )
        found[key] = fact
    if not found:
        raise TglError(f"{path}: found no line, expected facts, each {_FACT}")
    return list(found.values())


def _fact(line: str, where: str) -> Fact:
    try:
        row = parse_json(line)
        texts = [row["relation"], row["subject"], row["answer"]]
        ranks = row.get("ranks", [])
        if not all(isinstance(text, str) and text.strip() == text and text for text in texts):
            raise ValueError("a text is empty or begins or ends with a space")
        if not (isinstance(ranks, list) and all(type(rank) is int and rank > 0 for rank in ranks)):
            raise ValueError("ranks is not a list of numbers from 1")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TglError(f"{where}: found {line!r:.80} ({error!r}), expected {_FACT}") from None
    return Fact(*texts, tuple(ranks))


def read_wordings(path: str | Path, relations: set[str]) -> Mapping[str, Wordings]:
    """Read the wordings of each relation: {"capital": {"train": [...], "test": [...]}}.

    Args:
        path: The file.
        relations: The relations that must have wordings.

    Raises:
        TglError: A relation has no wordings, or a wording does not hold {S} before {O} at its end.
    """
    raw = read_json(path)
    if missing := sorted(relations - set(raw)):
        raise TglError(
            f"{path}: found no wordings of {', '.join(missing[:5])}, expected those of every relation"
        )
    return {relation: _wordings(raw[relation], f"{path}, {relation}") for relation in sorted(relations)}


def _wordings(raw: object, where: str) -> Wordings:
    parts = ("train", "test")
    if not isinstance(raw, dict) or set(raw) != set(parts):
        raise TglError(f"{where}: found {raw!r:.80}, expected an object with the lists train and test")
    for part in parts:
        if not (isinstance(raw[part], list) and raw[part]):
            raise TglError(f"{where}: {part}: found {raw[part]!r:.80}, expected a list of sentences")
        for text in raw[part]:
            # A causal model has the whole question as context only if the answer comes last.
            if not (isinstance(text, str) and text.count("{S}") == text.count("{O}") == 1) or (
                text.index("{S}") > text.index("{O}") or len(text) - text.index("{O}") > len("{O}.")
            ):
                raise TglError(
                    f"{where}: found {text!r:.80}, expected a sentence with {{S}}, then {{O}} as its last word"
                )
    if both := set(raw["train"]) & set(raw["test"]):
        raise TglError(f"{where}: found '{both.pop()}' in train and in test, expected different sentences")
    return Wordings(tuple(raw["train"]), tuple(raw["test"]))
