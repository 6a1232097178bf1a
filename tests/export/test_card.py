import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgl.core.schemas import SCHEMAS
from tgl.export.card import settings, size_category, type_name
from tgl.export.kinds import Table
from tgl.provenance.manifest import File, Job


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1000, "1K<n<10K"),
        (10**6, "1M<n<10M"),
        (10**9 - 1, "100M<n<1B"),
        (10**9, "n>1B"),
    ],
)
def test_size_categories_are_those_of_the_hub(rows, name):
    assert size_category(rows) == name


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (pa.float64(), "float64"),
        (pa.list_(pa.string()), "list of string"),
        (SCHEMAS["pages"].field("links").type, "list of {target: string, start: int32, end: int32}"),
    ],
)
def test_types_are_named_in_words(kind, words):
    assert type_name(kind) == words


def table(config: str, values: dict, rule: str = "pages") -> Table:
    file = File(path="p", sha256="0" * 64, bytes=0, mtime_ns=0)
    job = Job(
        rule=rule, wildcards={}, outputs=[file], inputs=[], config={"config": values}, code=[], command=None,
        versions=None, seconds=None, peak_mib=None, finished=None,
    )  # fmt: skip
    return Table(file, job, config, 0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(0, 2)), min_size=1))
def test_every_configuration_has_exactly_the_settings_it_was_made_with(drawn):
    tables = [table(config, {key: value}) for config, key, value in drawn]
    told = {
        (config, found.name, found.value)
        for found in settings(tables)
        for config in found.configs or {table.config for table in tables}
    }
    assert told == {(config, key, str(value)) for config, key, value in drawn}


def test_parts_of_the_configuration_beside_the_stage_s_own_are_named():
    one = table("a", {"steps": 1})
    one.job.config["token_config"] = {"block_size": 64}
    assert [(found.name, found.value) for found in settings([one])] == [
        ("steps", "1"),
        ("token.block_size", "64"),
    ]
