"""Paths and patterns that match chosen parameters and no others."""

import re

from tgl.export.plans.parameters import pattern, prefixes


def test_prefixes_and_their_pattern_match_no_longer_number_and_no_longer_name():
    everything = ["a.1.w", "a.11.w", "a.11.v", "a.2.w", "a.2.w2", "b"]
    assert prefixes(["a.1.w", "a.2.w", "b"], everything) == ["a.1.", "a.2.w", "b"]
    found = re.compile(pattern(["a.1.", "a.2.w", "b"]))
    assert [name for name in [*everything, "b.c", "xa.1.w"] if found.search(name)] == ["a.1.w", "a.2.w", "b"]
