import pandas as pd

from tgl.config import Config, ModelConfig, PlanConfig, TrainConfig
from tgl.plans.plan import Plan
from tgl.report.limits import limits
from tgl.report.methods import Findings

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


def said(config=None, gates=(MET,), plans=(), summary=VERDICTS, table=None, edges=()):
    table = profile() if table is None else table
    empty = pd.DataFrame()
    told = Findings(empty, {}, empty, list(edges), summary, empty, empty, empty, empty, empty)
    return "\n".join(limits(config or Config(), list(gates), list(plans), told, table))


def test_a_missed_gate_comes_first_and_is_named():
    text = said(gates=[MET, MISSED])
    assert text.startswith("The gate was missed (facts learnt): no number of this report says anything")
    assert "gate was missed" not in said()


def test_without_a_gate_knowledge_is_not_claimed():
    assert "No probe has known candidates" in said(gates=[])
    assert "No probe has known candidates" not in said()


def test_fewer_than_three_seeds_tell_nothing_from_noise():
    assert "2 seed(s): below three, no difference" in said(Config(seeds=[0, 1]))
    assert "3 seeds of one world" in said(Config(seeds=[0, 1, 2]))
    assert "below three" not in said(Config(seeds=[0, 1, 2]))


def test_a_single_learning_rate_is_a_limit():
    assert "One learning rate (0.002) for all methods" in said(
        Config(train=TrainConfig(learning_rates=[0.002]))
    )
    assert "One learning rate" not in said(Config(train=TrainConfig(learning_rates=[0.002, 0.004])))


def test_a_rate_at_the_edge_of_the_grid_is_a_limit():
    assert "smallest or largest tried for tgl_fp, full+ewc: a wider grid" in said(
        edges=["tgl_fp", "full+ewc"]
    )
    assert "smallest or largest tried" not in said()


def test_comparisons_are_counted():
    assert "2 of 4 comparisons exclude no difference after Holm's correction" in said()
    assert "comparisons" not in said(summary=VERDICTS[:1])


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


def test_the_embedding_s_state_is_always_said():
    assert "output head were kept frozen where a plan's name does not say otherwise" in said()
    assert "output head were trained where a plan's name does not say otherwise" in said(
        Config(plan=PlanConfig(embedding="trained"))
    )


def test_a_small_model_from_scratch_is_a_limit_a_loaded_one_is_not():
    scratch = Config(model=ModelConfig(layers=2, hidden_size=16, heads=2))
    assert "2 blocks of width 16, trained from scratch" in said(scratch)
    assert "trained from scratch" not in said(Config(model=ModelConfig(load="gpt2")))


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
    assert "Over windows of plain text" not in said(table=profile(trained_updated=12.0))
    text = said(table=profile(trained_updated=12.0, trained_matched_span=8.0))
    assert "Over windows of plain text" in text
    assert "shuffled" not in text
