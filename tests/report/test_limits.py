import pandas as pd
import pytest

from tgl.analysis.equal_uptake import AT_THE_EDGE, NOT_REACHED
from tgl.config.root import Config
from tgl.models.settings import ModelConfig
from tgl.plans.plan import Plan
from tgl.report.limits import limits
from tgl.report.methods import Findings
from tgl.train.settings import TrainConfig

MET = {"name": "facts known", "value": 0.9, "limit": 0.75, "met": True}
MISSED = {"name": "facts learnt", "value": 1.0, "limit": 3.0, "met": False}
VERDICTS = pd.DataFrame(
    {
        "verdict": ["", "better", "no significant difference", "no significant difference", "worse"],
        "kind": "new_text",
    }
)


def profile(**values):
    """Return rows over windows for all sublayers: weights_group=relative norm; controls are those of `updated`."""
    columns = ("weights", "group", "denominator", "sublayer", "relative_norm")
    rows = [
        ("trained", "updated", "matched_span", "all", 99.0),
        ("trained", "updated", "window", "block00.mlp", 88.0),
        # The controls of another kind say nothing of updated facts.
        ("trained", "shuffled.new_entity", "window", "all", 77.0),
        ("trained", "matched_span.new_entity", "window", "all", 66.0),
    ]
    for name, value in values.items():
        weights, group = name.split("_", 1)
        group = group if group == "updated" else f"{group}.updated"
        rows.append((weights, group, "window", "all", value))
    return pd.DataFrame(rows, columns=columns)


PLANS = ((0, Plan("full", 0.0, {})),)


def said(config=None, gates=(MET,), plans=PLANS, summary=VERDICTS, table=None, edges=(), uptake=None):
    table = profile() if table is None else table
    empty = pd.DataFrame()
    uptake = empty if uptake is None else uptake
    findings = Findings(empty, {}, empty, list(edges), summary, uptake, empty, empty, empty, empty)
    return "\n".join(limits(config or Config(), list(gates), list(plans), findings=findings, profile=table))


def test_a_missed_gate_comes_first_and_is_named():
    text = said(gates=[MET, MISSED])
    assert text.startswith("The gate was missed (facts learnt): the comparisons of this run are not evidence")
    assert "gate was missed" not in said()


def test_without_a_gate_knowledge_is_not_claimed():
    assert "does not show whether the base model knows the facts" in said(gates=[])
    assert "does not show whether" not in said()


def test_what_the_number_of_seeds_allows():
    assert "One seed: differences between methods have no interval" in said(Config(seeds=[7]))
    assert "seeds of one" not in said(Config(seeds=[7]))
    assert "2 seeds: the comparisons are underpowered" in said(Config(seeds=[0, 1]))
    three = said(Config(seeds=[0, 1, 2]))
    assert "3 seeds of one synthetic world: the intervals cover initialisation, data order" in three
    assert "underpowered" not in three


def test_a_single_learning_rate_is_a_limit():
    assert "One learning rate (0.002) for all methods" in said(
        Config(train=TrainConfig(learning_rates=[0.002]))
    )
    assert "One learning rate" not in said(Config(train=TrainConfig(learning_rates=[0.002, 0.004])))


def test_a_method_with_one_rate_among_methods_with_several_is_a_limit():
    train = TrainConfig(learning_rates=[0.002, 0.004], method_rates={"random": [0.002]})
    text = said(Config(methods=["full", "random"], train=train))
    assert "One learning rate for random and several for other methods" in text


def test_a_gate_without_a_value_was_not_missed():
    assert said(gates=[MET, MISSED | {"value": None}]).startswith(
        "A part of the gate was not measured (facts learnt): the comparisons of this run are not evidence"
    )


def test_a_rate_at_the_edge_of_the_grid_is_a_limit():
    assert "smallest or largest tried for tgl_fp, full+ewc: the best rate" in said(
        edges=["tgl_fp", "full+ewc"]
    )
    assert "smallest or largest tried" not in said()


def test_comparisons_are_counted():
    assert "2 of 4 comparisons are significant after Holm correction" in said()
    assert "Holm" not in said(summary=VERDICTS[:1])


def test_missing_held_out_loss_of_new_text_is_told():
    assert "no held-out loss of new text" in said(summary=VERDICTS.assign(kind="updated"))
    assert "no held-out loss of new text" not in said()


def test_a_random_plan_without_its_conditions_is_told():
    note = "no random subset overlaps tgl_fp by little: this one has 0.80"
    plans = [
        (3, Plan("random", 0.0, {}, "window", 0, 0, note)),
        (4, Plan("random", 0.0, {}, "window", 0, 0, "fine")),
    ]
    text = said(plans=plans)
    assert f"Seed 3, plan random: {note}." in text
    assert "Seed 4" not in text


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({"full": 0.0, "random": 0.0}, "output head are frozen in every plan"),
        ({"full": 1.0, "random": 1.0}, "output head are trained in every plan"),
        (
            {"full": 0.0, "full.trained_embedding": 1.0},
            "trained in full.trained_embedding and frozen in the other plans",
        ),
    ],
)
def test_the_embedding_s_state_is_that_of_the_plans(states, expected):
    plans = [(seed, Plan(name, value, {})) for seed in (0, 1) for name, value in states.items()]
    assert expected in said(plans=plans)


def test_a_model_from_scratch_is_named_by_its_shape_and_a_loaded_one_by_its_name():
    scratch = said(Config(model=ModelConfig(layers=2, hidden_size=16, heads=2)))
    assert "2 blocks of width 16 and was trained from scratch" in scratch
    loaded = said(Config(model=ModelConfig(load="some/model")))
    assert "One model was studied (some/model)" in loaded
    assert "trained from scratch" not in loaded
    assert "initialisation" not in loaded


def test_multipliers_of_the_one_rate_are_spoken_of_where_a_plan_has_them():
    one = TrainConfig(learning_rates=[0.002])
    assert "tgl_alr and full_at_mean_lr+ewc train sublayers at multiples" in said(
        Config(train=one, methods=["full", "tgl_alr", "full_at_mean_lr+ewc"])
    )
    assert "multiples" not in said(Config(train=one, methods=["full", "tgl_fp"]))
    alone = said(Config(train=one, methods=["full"]))
    assert "One learning rate (0.002), not chosen on validation." in alone


def test_planned_comparisons_without_a_verdict_are_counted_with_their_reasons():
    words = [
        NOT_REACHED,
        "",
        AT_THE_EDGE,
        "better",
        NOT_REACHED,
        "",
        AT_THE_EDGE,
        "no significant difference",
    ]
    methods = ["random", "random", "full+ewc", "tgl_fp", "inverse", "last", "full+ewc", "first"]
    table = pd.DataFrame({"method": methods, "verdict": words})
    text = said(uptake=table)
    assert (
        "4 of 6 planned comparisons at equal uptake have no verdict: not reached in every seed (random and inverse); "
        "best rate at the edge of those tried (full+ewc)." in text
    )
    assert "have no verdict" not in said(uptake=table[~table["verdict"].str.startswith("no verdict")])
    assert "have no verdict" not in said()


def test_rates_of_single_methods_count_among_the_rates():
    train = TrainConfig(learning_rates=[0.002], method_rates={"full+ewc": [0.004]})
    assert "One learning rate for each method (0.002 and 0.004), not chosen on validation" in said(
        Config(train=train, methods=["full", "full+ewc"])
    )
    several = train.model_copy(update={"learning_rates": [0.002, 0.008]})
    text = said(Config(train=several, methods=["full", "full+ewc"]))
    assert "One learning rate for each method" not in text
    assert "One learning rate for full+ewc and several for other methods" in text
    assert "One learning rate (0.004)" in said(
        Config(train=train.model_copy(update={"method_rates": {"full": [0.004]}}), methods=["full"])
    )


def test_averaging_is_set_beside_the_salient_ratio():
    table = profile(
        trained_updated=12.04, trained_matched_span=8.0, trained_shuffled=11.0, random_updated=4.0
    )
    text = said(table=table)
    assert (
        "updated facts have 12.0 times the gradient norm; random spans of the same length have 8.0 times"
        in text
    )
    assert "shuffled answers 11.0 times" in text
    assert "under random weights 4.0 times" in text


def test_averaging_is_not_spoken_of_without_its_numbers():
    assert "Relative to windows of plain text" not in said(table=profile(trained_updated=12.0))
    text = said(table=profile(trained_updated=12.0, trained_matched_span=8.0))
    assert "Relative to windows of plain text" in text
    assert "shuffled" not in text
