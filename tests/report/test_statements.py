"""Each conditional sentence of the report stands there exactly when it is true of the run."""

import html
import re

import matplotlib.pyplot as plt
import pytest

from tests.report.odd_runs import CASES
from tests.report.result_folder import write_results
from tgl.report import method_figures, profile_figures, run_figures
from tgl.report.stage import write_report


def policies(config):
    return {method.partition("+")[0].partition(".")[0] for method in config.methods}


def traced(world):
    return set(world.kinds) - {"unchanged"}


def many(config, world):
    return len(config.seeds) > 1


def scratch(config, world):
    return config.model.load is None


def one_rate(config, world):
    return len({rate for _, rate in config.runs}) == 1


def one_rate_each(config, world):
    return len(config.runs) == len(config.methods)


def uptake(config, world):
    return "unchanged" in world.kinds and bool(set(config.report.uptake) & set(world.kinds))


def stepped(config, world):
    return bool(config.train.score_at)


def uptake_of(*kinds):
    return lambda config, world: uptake(config, world) and config.report.uptake == list(kinds)


def level(share):
    return lambda config, world: config.report.level == share


def along(config, world):
    return bool(config.model.pretrain.kept)


def either(*conditions):
    return lambda config, world: any(condition(config, world) for condition in conditions)


def both(*conditions):
    return lambda config, world: all(condition(config, world) for condition in conditions)


def no(condition):
    return lambda config, world: not condition(config, world)


def methods_compared(config, world):
    return len(config.methods) > 1


def scaled(config, world):
    return bool(policies(config) & {"tgl_alr", "shuffled_alr", "full_at_mean_lr"})


def frozen(config, world):
    return config.plan.embedding == "frozen" or bool(world.frozen)


def partly_frozen(config, world):
    return bool(world.frozen)


def embedding(state):
    def condition(config, world):
        named = any("trained_embedding" in method for method in config.methods)
        return state == ("mixed" if named else config.plan.embedding)

    return condition


def has(kind):
    return lambda config, world: kind in world.kinds


SENTENCES = {
    "when each seed has the rate that is best on its own": both(uptake, methods_compared, no(one_rate_each)),
    # The base model
    "was trained from scratch": scratch,
    "One model was studied (some/model)": no(scratch),
    "Model: the base model after pretraining from scratch": scratch,
    "Model: the loaded model after adaptation": lambda c, w: c.model.load and c.model.pretrain.steps,
    "Model: the loaded model.": lambda c, w: c.model.load and not c.model.pretrain.steps,
    "A ratio that random weights show too was not learned": lambda c, w: w.twin,
    "Multiplier of the learning rate by plan and block, mean over seeds": many,
    "along the base model's training from scratch": both(scratch, along),
    "along the adaptation of the loaded model": both(no(scratch), along),
    "Step 0 has random weights": both(scratch, lambda c, w: 0 in c.model.pretrain.kept),
    # Controls of the profile
    "with random weights": lambda c, w: w.twin,
    "hollow: random weights": lambda c, w: w.twin,
    "under random weights": lambda c, w: w.twin and traced(w) and "matched_span" in w.controls,
    "salient spans and their controls": lambda c, w: traced(w) and w.controls,
    "random spans or random weights reach too": lambda c, w: w.twin and traced(w),
    "updated facts have": lambda c, w: "updated" in w.kinds,
    "new entities have": lambda c, w: "new_entity" in w.kinds,
    "probes with shuffled answers": lambda c, w: "shuffled" in w.controls and traced(w),
    "the high loss of any wrong answer": lambda c, w: "shuffled" in w.controls and traced(w),
    "Where the ratio comes from": lambda c, w: traced(w),
    "At equal loss": lambda c, w: traced(w),
    "The test flips signs": lambda c, w: traced(w),
    "indirect effect in causal tracing": lambda c, w: w.traced_facts,
    # Knowledge
    "No test probe has candidates to rank, so": lambda c, w: not w.candidates,
    "unchanged facts that the base model ranks first": lambda c, w: w.candidates,
    "– 3 not measured": lambda c, w: w.candidates and "updated" not in w.kinds,
    "– 2 not measured": lambda c, w: w.candidates and "new_entity" not in w.kinds,
    # Seeds
    "One seed: differences": no(many),
    "underpowered. No significant": lambda c, w: len(c.seeds) == 2,
    "seeds of one synthetic world": both(many, lambda c, w: c.snapshots.source == "synthetic"),
    "on one set of snapshots and probes": both(many, lambda c, w: c.snapshots.source != "synthetic"),
    "the intervals cover initialisation": both(many, scratch),
    "the intervals cover data order": both(many, no(scratch)),
    "there are no intervals over seeds and no tests": no(many),
    "Lines: mean over seeds": many,
    "Intervals come from the variance components of seeds and subjects": many,
    "significant after Holm correction for the number": both(many, methods_compared),
    "Seeds needed": both(many, methods_compared),
    # Rates
    "One learning rate (": one_rate,
    "a method whose best rate is different": both(one_rate, methods_compared),
    "sublayers at multiples of it": both(one_rate, scaled),
    "Learning rates, chosen on validation": no(one_rate_each),
    "At the chosen rates": no(one_rate_each),
    "At the learning rate": one_rate_each,
    # Methods
    "the baseline that it is combined with": lambda c, w: any("+" in method for method in c.methods),
    "One method was run": no(methods_compared),
    "Differences to full are paired": methods_compared,
    "tgl_alr": lambda c, w: any("alr" in method for method in c.methods),
    # Equal uptake
    "Lower and further right is better": uptake,
    "that updated facts gain and": uptake_of("updated"),
    "that new entities gain and": uptake_of("new_entity"),
    "that updated facts and new entities gain and": uptake_of("updated", "new_entity"),
    "lose since the base model, means over seeds": both(uptake, many),
    "below 0: less forgotten": both(uptake, methods_compared),
    "Verdicts are given at 70% of": both(uptake, methods_compared, level(0.7)),
    "Verdicts are given at 50% of": both(uptake, methods_compared, level(0.5)),
    "Holm correction for the 2 planned comparisons": lambda c, w: len(c.report.comparisons) == 2,
    "Equivalent: two one-sided tests": both(uptake, methods_compared),
    "no step between start and end was scored (": both(uptake, methods_compared, no(stepped)),
    # Text and probes
    "No new page fell into the held-out share": lambda c, w: not set(w.held_out) - {"base"},
    "No page of the base text fell": lambda c, w: "base" not in w.held_out,
    "those of held-out text use only the seeds": lambda c, w: many(c, w) and w.held_out,
    "Along the chain of periods": lambda c, w: traced(w),
    "each period's updated facts and new entities": both(has("updated"), has("new_entity")),
    "each period's new entities": both(no(has("updated")), has("new_entity")),
    "Backward transfer": lambda c, w: len(c.periods) > 1 and traced(w),
    "facts are excluded, because a later period": lambda c, w: len(c.periods) > 1 and traced(w),
    # Periods
    "There is one period": lambda c, w: len(c.periods) == 1,
    "The first profile was used for all periods": lambda c, w: len(c.periods) > 1 and c.profile.periods == "first",
    "Every run profiled its model": lambda c, w: c.profile.periods == "each",
    "During plain training of every sublayer": lambda c, w: (
        len(c.periods) > 1 and w.drift and c.profile.periods == "first"
    ),
    "was not measured before any later period": lambda c, w: len(c.periods) > 1 and not w.drift,
    "each later period has its own plans": lambda c, w: c.profile.periods == "each",
    # Plans
    "output head are frozen in every plan": embedding("frozen"),
    "output head are trained in every plan": embedding("trained"),
    "trained in full.trained_embedding and frozen in the other": embedding("mixed"),
    "The sublayers of lisa change during a run": lambda c, w: "lisa" in w.later,
    "Seed 0, plan random: no random subset": lambda c, w: bool(w.note),
    "Frozen units were bit-identical": frozen,
    "2 of 4 seeds": partly_frozen,
}  # fmt: skip

# Of other runs than the one at hand, or claims that no run of this kind supports.
NEVER = [
    "a model this small",
    "not told",
    "say nothing",
    "says nothing",
    "mean nothing",
    "told from noise",
    ">nan<",
]


@pytest.fixture(scope="module", params=list(CASES))
def page(request, tmp_path_factory):
    """Return a case's configuration and world, and the visible text of its report."""
    config, world = CASES[request.param]
    folder = write_results(tmp_path_factory.mktemp("run"), config, world)
    with pytest.MonkeyPatch.context() as patch:
        # Drawing takes a third of the time of a report, and no sentence depends on it.
        for module in (profile_figures, method_figures, run_figures):
            patch.setattr(module, "svg", lambda figure: "<svg/>")
        write_report(folder, config, folder / "report")
    plt.close("all")
    text = (folder / "report" / "index.html").read_text(encoding="utf-8")
    return config, world, visible(text)


def visible(page):
    """Return a page's text without figures, configuration and markup, its blanks made one."""
    page = re.sub(r"<svg.*?</svg>|<svg/>|<pre>.*?</pre>|<style>.*?</style>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def test_each_sentence_stands_there_exactly_when_it_is_true(page):
    config, world, text = page
    wrong = {
        sentence: f"expected {'there' if condition(config, world) else 'absent'}"
        for sentence, condition in SENTENCES.items()
        if (sentence in text) != bool(condition(config, world))
    }
    assert not wrong


def test_no_page_makes_a_statement_of_other_runs_or_shows_a_number_that_is_none(page):
    assert not [sentence for sentence in NEVER if sentence in page[2]]
    assert not re.search(r"\b(nan|None|inf)\b", page[2])


def test_every_conditional_sentence_is_there_in_one_case_and_absent_in_another():
    """A sentence that no case lacks, or none has, is not tested."""
    for sentence, condition in SENTENCES.items():
        found = {bool(condition(config, world)) for config, world in CASES.values()}
        assert found == {True, False}, sentence
