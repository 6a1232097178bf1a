"""The tables of the default experiment are those in docs/evidence/default, to the digit.

    make test-tables

A commit that changes them must say why and write them again (`python -m tests.support.default_tables`).
"""

import os

import pytest

from tests.support.default_tables import COMMITTED, RESULTS, TABLES, processor


@pytest.fixture(scope="module", autouse=True)
def same_machine():
    # Results of other code would differ, so they are compared only by this command, which makes them.
    if not os.environ.get("TGL_TABLES"):
        pytest.skip("runs the default experiment first: make test-tables")
    made_on = (COMMITTED / "processor.txt").read_text()
    if made_on != processor():
        pytest.skip(
            f"rounding depends on the processor; the tables were made on another one: {made_on.strip()}"
        )


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_the_default_experiment_is_the_committed_one(name):
    assert (RESULTS / name).read_text() == (COMMITTED / name).read_text()
