"""Options out of range are refused by their name, before any file is looked at."""

import pytest

from tests.cli.running import refused, shown
from tgl.core.errors import TglError
from tgl.snapshots.extract.pages import shard_range

BASE = "base --tokenizer t --tokens t --output o --steps s --state s"
TRAIN = (
    "train m --base-tokens b --tokens 20200101=t --probes p --profile p --plan p --models m --tables t --state s "
    "--learning-rate 0.1"
)
TRACED = "agree m --profile p --probes p --output o"


@pytest.mark.parametrize(
    ("call", "option", "value"),
    [
        *[(TRAIN, "--learning-rate", value) for value in ("0", "-1", "nan", "inf", "1e-320", "1e400", "x")],
        *[
            (BASE, option, value)
            for option in ("--threads", "--processes", "--nodes")
            for value in ("0", "-1", 10**9)
        ],
        *[(TRAIN, option, "0") for option in ("--threads", "--processes", "--nodes")],
        *[
            (call, "--seed", value)
            for call in (BASE, TRAIN, TRACED)
            for value in ("-1", 2**32, 10**30, "1.5")
        ],
        ("pages f --output o", "--shard", "-1"),
        ("pages f --output o", "--processes", "0"),
        (TRAIN, "--baseline", "ewcc"),
        (TRAIN, "--tokens", "../x=t"),
        ("plan p --output o", "--method", "tgl_pf"),
        ("snapshot-probes a b c --base-pages b --output o", "--period", "20210229"),
    ],
)
def test_an_option_out_of_range_is_refused_by_its_name(call, option, value):
    assert f"Invalid value for '{option}'" in shown(*call.split(), option, str(value))


@pytest.mark.parametrize(
    ("call", "option", "value"),
    [
        *[
            (call, "--holdout-share", value)
            for call in ("tokenizer p --output o", "pack t --kind pages --tokenizer t --output o")
            for value in ("2", "-0.1", "0", "1", "nan")
        ],
        ("tokenizer p --output o", "--language", "xx"),
        ("snapshot-probes a b c --period 20200101 --base-pages b --output o", "--language", "EN"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_its_option(call, option, value):
    assert f": {option}: " in refused(*call.split(), option, value)


@pytest.mark.parametrize(
    "dates", [["20190230", "20200101"], ["20200101", "20190101"], ["20190101"] * 2, ["2019"]]
)
@pytest.mark.parametrize(
    "call",
    ["world --output o", "history --output o h", "probes --base-pages b --output o", "wikidata --output o f"],
)
def test_dates_that_do_not_exist_or_rise_are_refused(call, dates):
    assert "Invalid value for 'DATES'" in shown(*call.split(), *dates)


def test_the_date_of_a_download_exists():
    assert "Invalid value for 'DATE'" in shown("download", "20190431", "--folder", "f", "--output", "o")


def test_a_shard_beyond_the_shards_is_refused():
    for number in (-1, 2, 3):
        with pytest.raises(TglError, match=rf"shard {number} found, 0 to 1 expected \(pages.shards is 2\)"):
            shard_range(number, 2, 100)
    assert shard_range(1, 2, 100).last is None
