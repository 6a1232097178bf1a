"""The tables of the default experiment are those in docs/evidence/default, to the digit.

    make run && .venv/bin/python -m pytest tests/workflow/test_default_tables.py

A commit that changes them must say why and write them again (`python -m tests.support.default_tables`).
"""

import pytest

from tests.support.default_tables import COMMITTED, RESULTS, TABLES, processor


@pytest.fixture(scope="module", autouse=True)
def same_machine():
    if not RESULTS.is_dir():
        pytest.skip("results/default is not there; make run first")
    made_on = (COMMITTED / "processor.txt").read_text()
    if made_on != processor():
        pytest.skip(
            f"rounding depends on the processor; the tables were made on another one: {made_on.strip()}"
        )


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_the_default_experiment_is_the_committed_one(name):
    assert (RESULTS / name).read_text() == (COMMITTED / name).read_text()
