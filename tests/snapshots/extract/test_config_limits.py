import pytest

from tests.config.config_problems import problems
from tgl.config.check import load_config


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("page_memory_mb", 99999999999999999999),
        ("page_memory_mb", 100_001),
        ("page_memory_mb", 499),
        ("page_memory_mb", -1),
        ("page_seconds", 1e12),
        ("page_seconds", 3601),
        ("page_seconds", 1e-9),  # the timer would never go off
        ("page_seconds", 0),
        ("shards", 10_001),
        ("pages_per_shard", 10**19),
    ],
)
def test_limit_that_would_be_none_is_refused(key, value):
    (line,) = problems({"pages": {key: value}})
    assert line.startswith(f"  - pages.{key}: Input should be")


@pytest.mark.parametrize(
    ("key", "value"),
    [("page_memory_mb", 500), ("page_memory_mb", 100_000), ("page_seconds", 0.1), ("page_seconds", 3600)],
)
def test_bounds_themselves_are_taken(key, value):
    assert getattr(load_config({"pages": {key: value}}).pages, key) == value
