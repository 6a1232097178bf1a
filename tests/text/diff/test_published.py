import pytest

from tgl.text.diff.published import temporalwiki, ticwiki
from tgl.text.diff.sentences import new_sentences

OLD = "First is here.\nSame one.\nA is 3.5 long. B stays.\nSame two.\nLast is here."


def found(rule, new):
    pieces = list(rule(OLD, new))
    assert all(new[start : start + len(piece)] == piece for start, piece in pieces)
    return [piece for _, piece in pieces]


def ours(old, new):
    return new_sentences(old, new, "en")


@pytest.mark.parametrize(
    ("new", "by_temporalwiki", "by_ticwiki", "by_tgl"),
    [
        (OLD, [], [], []),
        # Inside, between two unchanged paragraphs, all see it.
        (OLD.replace("B stays", "B goes"), ["B goes"], ["B goes."], ["B goes."]),
        (OLD.replace("Same two.", "Same two.\nAdded one."), ["Added one."], ["Added one."], ["Added one."]),
        # A digit's point is punctuation to the published rules.
        (OLD.replace("3.5", "35"), [], [], ["A is 35 long."]),
        # Before the first and after the last unchanged paragraph temporalwiki sees nothing.
        (OLD.replace("First is", "First was"), [], ["First was here."], ["First was here."]),
        (OLD + "\nNew end.", [], ["New end."], ["New end."]),
        # Nor in a page that was rewritten.
        (
            "All is new. Nothing stays.",
            [],
            ["All is new.", "Nothing stays."],
            ["All is new.", "Nothing stays."],
        ),
        # A paragraph that has moved is new to ticwiki.
        (
            "Last is here.\nFirst is here.\nSame one.\nA is 3.5 long. B stays.\nSame two.",
            [],
            ["Last is here."],
            [],
        ),
    ],
)
def test_what_each_rule_finds(new, by_temporalwiki, by_ticwiki, by_tgl):
    assert found(temporalwiki, new) == by_temporalwiki
    assert found(ticwiki, new) == by_ticwiki
    assert found(ours, new) == by_tgl
