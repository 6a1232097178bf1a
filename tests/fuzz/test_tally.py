"""The tally of a night: what counts as done, and what the table says."""

from dataclasses import replace

from tests.fuzz import tally
from tests.fuzz.conftest import is_done

ENDED = tally.Ended("code", "dumps: xml", 100, 104, 90.0, False)


def test_the_last_run_of_a_target_on_this_code_counts(tmp_path):
    log = tmp_path / "new" / "log.jsonl"
    assert tally.read(log, "code") == {}
    for one in (replace(ENDED, failed=True), ENDED, replace(ENDED, code="other", target="plans: any")):
        tally.note(log, one)
    assert tally.read(log, "code") == {"dumps: xml": ENDED}


def test_a_target_is_done_that_ran_as_many_cases_without_a_failure():
    assert is_done(ENDED, 100)
    assert not is_done(ENDED, 101)
    assert not is_done(replace(ENDED, failed=True), 100)
    assert not is_done(None, 100)
    assert not is_done(ENDED, 0), "a test that is no target runs each time"


def test_the_table_says_cases_failures_and_minutes_of_each_and_of_all():
    other = replace(ENDED, target="plans: any", cases=1000, failed=True, seconds=30)
    lines = tally.table({one.target: one for one in (other, ENDED)})
    assert lines[2:] == [
        "| dumps: xml | 104 | 0 | 1.5 |",
        "| plans: any | 1,000 | 1 | 0.5 |",
        "| 2 targets | 1,104 | 1 | 2.0 |",
    ]
