"""Plans ranked by the profile of another experiment (`plan.borrow`)."""

import pytest

from tests.support.model_fixtures import RANKED, tiny_model
from tests.train.continual_runs import profile_row
from tgl.core.errors import TglError
from tgl.core.tables.write import write_table
from tgl.models.sublayers import sublayers
from tgl.plans.plan import load_plan
from tgl.plans.settings import PlanConfig
from tgl.plans.stage import write_plan

SIZES = {unit.name: unit.num_parameters for unit in sublayers(tiny_model())}
OWN = (1.0, 2.0, 6.0, 3.0)
OTHER = (6.0, 2.0, 1.0, 3.5)


def write_profile(path, norms, sizes=SIZES, **others):
    """Write a table `profile`; `others`: relative norms over further denominators."""
    rows = [
        profile_row(name, value, denominator=denominator, num_parameters=sizes[name])
        for denominator, values in {"window": norms, **others}.items()
        for name, value in zip(sizes, values, strict=False)
        if name != "embedding"
    ]
    write_table([*rows, profile_row("all", 9.0, num_parameters=1)], path, "profile")
    return path


@pytest.fixture
def own(tmp_path):
    return write_profile(tmp_path / "own.parquet", OWN, unchanged=OTHER)


@pytest.fixture
def other(tmp_path):
    return write_profile(tmp_path / "other.parquet", OTHER, unchanged=OWN)


def written(own, method, other, seed=0):
    output = own.parent / "plan.json"
    told = write_plan(
        own, method, output, settings=PlanConfig(), seed=seed, others={"borrowed": other} if other else {}
    )
    return load_plan(output), told


def test_the_ranking_is_the_other_profile_s(own, other):
    assert written(own, "tgl_fp", None)[0].trained() == {RANKED[2]}
    plan, told = written(own, "tgl_fp.borrowed", other)
    assert plan.trained() == {RANKED[0], RANKED[3]}
    assert plan.method == "tgl_fp.borrowed"
    assert next(line.split()[2] for line in told.splitlines() if line.startswith(RANKED[0])) == "6.000"
    alr, _ = written(own, "tgl_alr.borrowed", other)
    assert alr.multipliers == pytest.approx({n: v / 3.125 for n, v in zip(RANKED, OTHER, strict=True)})


def test_the_denominator_of_the_name_is_that_of_the_other_profile(own, other):
    assert written(own, "tgl_fp.borrowed.unchanged", other)[0].trained() == {RANKED[2]}
    assert written(own, "tgl_fp.unchanged", None)[0].trained() == {RANKED[0], RANKED[3]}


@pytest.mark.parametrize("policy", ["random", "inverse", "first", "lisa"])
def test_controls_are_matched_to_the_borrowed_choice(own, other, policy):
    """What a plan gets from the other profile comes from that one alone."""
    borrowed, _ = written(own, f"{policy}.borrowed", other, seed=4)
    alone, _ = written(other, policy, None, seed=4)
    assert borrowed.multipliers == alone.multipliers
    assert borrowed.later == alone.later


def test_a_borrowed_plan_without_a_profile_is_refused_and_says_where_it_is_given(own):
    with pytest.raises(
        TglError,
        match=r"'tgl_fp\.borrowed': found no borrowed profile, .*--borrowed FILE",
    ):
        written(own, "tgl_fp.borrowed", None)
    assert not (own.parent / "plan.json").exists()


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        ({**SIZES, "block02.mlp": 5}, "block02.mlp"),
        ({name: size for name, size in SIZES.items() if name != RANKED[1]}, RANKED[1]),
        (SIZES | {RANKED[3]: SIZES[RANKED[3]] + 1}, RANKED[3]),
    ],
)
def test_a_profile_of_another_model_is_refused_naming_the_sublayers(own, tmp_path, sizes, named):
    other = write_profile(tmp_path / "strange.parquet", (1.0,) * len(sizes), sizes)
    with pytest.raises(TglError, match="its sublayers are not those of") as error:
        written(own, "tgl_fp.borrowed", other)
    message = str(error.value)
    assert message.startswith(str(other))
    assert str(own) in message
    assert f"['{named}']" in message


def test_a_plan_without_the_word_refuses_another_profile(own, other):
    with pytest.raises(TglError, match=r"plan 'tgl_fp': found --borrowed, which this plan does not read"):
        written(own, "tgl_fp", other)


def test_a_group_that_the_other_profile_lacks_is_refused(own, tmp_path):
    other = write_profile(tmp_path / "other.parquet", OTHER)
    with pytest.raises(TglError, match=rf"^{other}: no relative norm of 'updated' over 'unchanged'"):
        written(own, "tgl_fp.borrowed.unchanged", other)
