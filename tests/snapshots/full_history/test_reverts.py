"""The rule that chooses a page's revision at a date, against one that looks at every pair and triple of revisions."""

from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tgl.snapshots.dumps.reader import RawPage
from tgl.snapshots.full_history import page_history
from tgl.snapshots.full_history.page_history import PageHistory
from tgl.snapshots.full_history.reverts import REASONS, Choices, Revision
from tgl.snapshots.settings import HistoryConfig

HOUR = 3600


def revision(number, hours, sha1, has_text=True, revision_id=None):
    page = RawPage(1, "Berlin", 0, False, number, "", "wikitext", sha1, sha1 if has_text else None)
    identity = number if revision_id is None else revision_id
    return Revision(int(hours * HOUR), identity, number, sha1.encode(), has_text, page)


def undone(ordered, place, hours, most):
    """Tell by the rule's own words whether the revision at a place was undone."""
    this = ordered[place]
    for later in ordered[place + 1 : place + 1 + most]:
        in_time = hours > 0 and later.seconds - this.seconds <= hours * HOUR
        stood_before = later.sha1 != b"" and later.sha1 in [earlier.sha1 for earlier in ordered[:place]]
        if in_time and stood_before and this.sha1 != later.sha1:
            return True
    return False


def by_brute_force(revisions, moment, hours, most):
    """Return (number of the chosen revision or None, reason, undone revisions skipped)."""
    ordered = sorted(revisions, key=lambda found: (found.seconds, found.revision_id, found.number))
    before = [place for place, found in enumerate(ordered) if found.seconds < moment]
    passed = 0
    for place in reversed(before):
        if not ordered[place].has_text:
            continue
        if not undone(ordered, place, hours, most):
            return ordered[place].number, "kept", passed
        passed += 1
    return None, "only_undone" if passed else "deleted_text" if before else "no_revision_before", passed


def chosen(choices):
    return [(found.revision and found.revision.number, found.reason, found.undone) for found in choices]


def at(hours, revisions, limit=48, most=15):
    """Return what stands so many hours after 1970."""
    choices = Choices([hours * HOUR], limit, most)
    for found in revisions:
        choices.add(found)
    (found,) = chosen(choices.finish())
    return found


VANDALISED = [revision(0, 0, "good"), revision(1, 10, "bad"), revision(2, 12, "good"), revision(3, 90, "new")]


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (0, (None, "no_revision_before", 0)),  # a moment is before what happens at it
        (1, (0, "kept", 0)),
        (11, (0, "kept", 1)),
        (12, (0, "kept", 1)),
        (13, (2, "kept", 0)),
        (91, (3, "kept", 0)),
    ],
)
def test_vandalism_is_passed_over_and_the_revert_stands(hours, expected):
    assert at(hours, VANDALISED) == expected


def test_no_rule_takes_vandalism_as_it_is():
    assert at(11, VANDALISED, limit=0) == (1, "kept", 0)


@pytest.mark.parametrize(("limit", "number"), [(2, 0), (1, 1)])
def test_a_revert_that_comes_too_late_undoes_nothing(limit, number):
    assert at(11, VANDALISED, limit=limit)[0] == number


@pytest.mark.parametrize(("most", "number"), [(3, 0), (2, 1)])
def test_a_revert_too_many_revisions_later_undoes_nothing(most, number):
    bad = [revision(n, n, f"bad{n}") for n in (1, 2, 3)]
    found = [revision(0, 0, "good"), *bad, revision(4, 4, "good")]
    assert at(2, found, most=most)[0] == number


def test_a_revision_saved_twice_undoes_nothing():
    assert at(2.5, [revision(0, 0, "a"), revision(1, 1, "b"), revision(2, 2, "b")]) == (2, "kept", 0)


def test_of_an_edit_war_what_stood_before_it_is_taken_until_it_ends():
    war = [revision(n, n, "ab"[n % 2]) for n in range(6)]
    assert at(3.5, war) == (0, "kept", 3)
    assert at(9, war) == (5, "kept", 0)


def test_revisions_of_one_second_are_in_order_of_their_ids_and_missing_text_is_passed_over():
    page = PageHistory([5 * HOUR], HistoryConfig(), frozenset())
    for found in (revision(0, 1, "later", revision_id=9), revision(1, 1, "earlier", revision_id=8)):
        page.add(found)
    page.add(revision(2, 2, "", has_text=False))
    assert chosen(page.finish().choices) == [(0, "kept", 0)]
    assert at(5, [revision(0, 1, "", has_text=False)]) == (None, "deleted_text", 0)


def test_a_text_that_was_only_ever_undone_leaves_the_page_out():
    hidden = revision(0, 0, "a", has_text=False)  # whose SHA-1 is known all the same
    assert at(1.5, [hidden, revision(1, 1, "b"), revision(2, 2, "a")]) == (None, "only_undone", 1)


@st.composite
def pages(draw):
    """Return revisions in the order of a file, where some are out of order, of few texts and hours."""
    kinds = st.tuples(st.integers(0, 40), st.sampled_from("abcd"), st.integers(0, 9))
    drawn = draw(st.lists(kinds, max_size=40))
    if draw(st.booleans()):
        drawn.sort()
    if draw(st.booleans()):  # an import comes last
        drawn += draw(st.lists(kinds, max_size=3))
    return [
        revision(
            number, hours, "" if kind == 0 else text, kind > 1, draw(st.integers(0, 3)) if kind == 9 else None
        )
        for number, (hours, text, kind) in enumerate(drawn)
    ]


@settings(max_examples=400, deadline=None)
@given(
    revisions=pages(),
    moments=st.lists(st.integers(0, 45), min_size=1, max_size=5, unique=True).map(sorted),
    hours=st.integers(0, 12),
    most=st.integers(1, 6),
    ahead=st.sampled_from([0, 1, 16]),
)
@example(revisions=VANDALISED, moments=[0, 11, 13], hours=48, most=15, ahead=16)
def test_the_choice_is_that_of_brute_force_whatever_the_order(revisions, moments, hours, most, ahead):
    expected = [by_brute_force(revisions, moment * HOUR, hours, most) for moment in moments]
    with mock.patch.object(page_history, "_AHEAD", ahead):
        page, let_go = _outcome(revisions, moments, hours, most)
        assert chosen(page.choices) == expected
        if let_go:  # the second reading holds what the first let go of
            page, let_go = _outcome(revisions, moments, hours, most, let_go)
            assert chosen(page.choices) == expected
    assert let_go == frozenset()
    for found in page.choices:
        assert found.reason in REASONS
        assert found.revision is None or found.revision.page == revisions[found.revision.number].page
    if revisions:
        assert page.newest == max(revisions, key=lambda found: found[:3]).number


def _outcome(revisions, moments, hours, most, wanted=frozenset()):
    limits = HistoryConfig(revert_hours=hours, revert_revisions=most)
    page = PageHistory([moment * HOUR for moment in moments], limits, wanted)
    for found in revisions:
        page.add(found)
    outcome = page.finish()
    return outcome, outcome.released


def test_neighbours_in_another_order_and_late_imports_let_go_of_nothing():
    ordered = [revision(n, n, f"text {n}") for n in range(200)]
    swapped = [ordered[n ^ 3] for n in range(200)]
    imported = [*ordered[50:], *ordered[:50]]
    for revisions in (swapped, imported, ordered[::-1]):
        in_file = [found._replace(number=number) for number, found in enumerate(revisions)]
        outcome, let_go = _outcome(in_file, [100, 150, 190], 48, 15)
        assert let_go == frozenset()
        assert [found.revision.seconds for found in outcome.choices] == [99 * HOUR, 149 * HOUR, 189 * HOUR]
