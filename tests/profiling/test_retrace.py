import pytest

from tests.profiling.test_plain_text import encoded
from tests.support.model_fixtures import BLOCK, RANKED, TEXTS, some_probes, tiny_model, tiny_tokenizer
from tgl.core.errors import TglError
from tgl.core.tables.write import to_arrow
from tgl.evaluate.score import max_length
from tgl.profiling.groups import make_groups
from tgl.profiling.profile import profile
from tgl.profiling.retrace import retrace
from tgl.profiling.settings import ProfileConfig

SETTINGS = ProfileConfig(examples=4, window_tokens=BLOCK, bootstrap=100)


def retraced(rows, period, salient="updated", denominator="window"):
    model = tiny_model(seed=4, spread=3)
    made = make_groups(
        rows, encoded(TEXTS), tiny_tokenizer(), period=period, settings=SETTINGS, length=max_length(model)
    )
    return retrace(
        model,
        made.groups,
        (salient, denominator),
        names=(),
        period=period,
        resamples=SETTINGS.bootstrap,
        seed=3,
    )


@pytest.mark.parametrize("salient", ["updated", "new_entity"])
@pytest.mark.parametrize("denominator", ["window", "matched_span", "unchanged"])
@pytest.mark.parametrize("period", ["20200101", "20210101"])
def test_a_retrace_is_the_part_of_a_profile_that_the_plan_is_made_from(salient, denominator, period):
    rows = retraced(some_probes(), period, salient, denominator)
    to_arrow(rows, "profile")
    assert [row["sublayer"] for row in rows] == [*RANKED, "all"]
    whole = profile(
        tiny_model(seed=4, spread=3), probes=some_probes(), corpus=encoded(TEXTS), tokenizer=tiny_tokenizer(),
        period=period, settings=SETTINGS, seed=3, twin=False,
    ).profile  # fmt: skip
    expected = whole[(whole["group"] == salient) & (whole["denominator"] == denominator)]
    for name in ("weights", "sublayer", "num_parameters", "num_examples", "num_denominator_examples"):
        assert [row[name] for row in rows] == expected[name].tolist()
    for name in ("relative_norm", "low", "high", "mean_norm"):
        assert [row[name] for row in rows] == expected[name].tolist()


def test_a_plan_whose_groups_are_missing_is_refused_with_those_found():
    rows = [row for row in some_probes() if row["kind"] != "unchanged"]
    with pytest.raises(
        TglError, match=r"period 20200101: no 'updated' over 'unchanged' in \['updated', 'new_"
    ):
        retraced(rows, "20200101", denominator="unchanged")
    rows = [row for row in some_probes() if row["kind"] != "updated"]
    with pytest.raises(TglError, match="no 'updated' over 'window'"):
        retraced(rows, "20200101")
