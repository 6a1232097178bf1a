import contextlib
import json

import pytest
import torch

from tests.support.model_fixtures import BLOCK, plan_of, settings_of, some_tokens, tiny_model
from tests.train.loop_runs import Killed, started, train_on, uninterrupted
from tgl.models.settings import PretrainConfig
from tgl.models.sublayers import sublayers
from tgl.plans.apply import freeze, parameter_groups
from tgl.train.engines import make_engine
from tgl.train.loop import Steps, train
from tgl.train.schedule import factor
from tgl.train.stream import TokenStream


@pytest.mark.parametrize("kill_at", [1, 2, 3, 4, 7])
def test_a_killed_and_resumed_run_is_bit_equal_to_an_uninterrupted_one(tmp_path, kill_at):
    settings = settings_of(steps=8)
    expected, model = uninterrupted(settings, tmp_path)
    engine, _ = started(settings, kill_at)
    with pytest.raises(Killed):
        train_on(engine, settings, tmp_path / "state")
    engine, resumed = started(settings)
    log = train_on(engine, settings, tmp_path / "state")
    assert engine.calls == 8 - kill_at // 2 * 2  # nothing saved is computed again
    assert log == expected
    for name, value in model.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_run_killed_twice_is_bit_equal_too(tmp_path):
    settings = settings_of(steps=8)
    expected, model = uninterrupted(settings, tmp_path)
    for kill_at in (3, 4):
        engine, _ = started(settings, kill_at)
        with pytest.raises(Killed):
            train_on(engine, settings, tmp_path / "state")
    engine, resumed = started(settings)
    assert train_on(engine, settings, tmp_path / "state") == expected
    assert engine.calls == 2
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in model.state_dict().items())


def test_a_kill_while_saving_leaves_a_state_to_go_on_from(tmp_path):
    settings = settings_of(steps=8)
    expected, _ = uninterrupted(settings, tmp_path)
    engine, _ = started(settings)
    state = engine.state

    def killed_in_second_save():
        if engine.calls == 4:
            raise Killed
        return state()

    engine.state = killed_in_second_save
    with pytest.raises(Killed):
        train_on(engine, settings, tmp_path / "state")
    engine, _ = started(settings)
    assert train_on(engine, settings, tmp_path / "state") == expected
    assert engine.calls == 6


def test_the_state_left_behind_is_that_of_the_last_step(tmp_path):
    settings = settings_of(steps=7)
    said = []
    train_on(started(settings)[0], settings, tmp_path / "state", save_every=3, say=said.append)
    assert json.loads((tmp_path / "state" / "progress.json").read_text())["step"] == 7
    assert [entry.name for entry in tmp_path.iterdir()] == ["state"]
    assert said[-1].startswith("step 7 of 7: loss ")
    train_on(started(settings)[0], settings, tmp_path / "state", save_every=3, say=said.append)
    assert said[-1] == "resumed at step 7 of 7"


def test_the_log_has_every_step_and_the_rates_at_the_watched_ones(tmp_path):
    settings = settings_of(steps=10, warmup_share=0.3)
    log, _ = uninterrupted(settings, tmp_path)
    assert [row["step"] for row in log.steps] == list(range(10))
    assert {row["num_tokens"] for row in log.steps} == {2 * (BLOCK - 1)}
    assert set(log.rates) == {0, 2, 5, 9}
    for step, rates in log.rates.items():
        assert rates["block00.attention"] == pytest.approx(0.01 * 0.5 * factor(step, settings))
        assert "block01.attention" not in rates
    assert factor(2, settings) == 1


def test_a_run_of_no_steps_does_none(tmp_path):
    engine, _ = started(settings_of())
    log = train_on(engine, PretrainConfig(steps=0), tmp_path / "state")
    assert (log.steps, log.rates, engine.calls) == ([], {}, 0)


# Each phase goes on with one sublayer of the phase before, freezes one and begins another.
PHASES = [
    (0, plan_of([1.0, 0.5, 0.0, 0.0])),
    (3, plan_of([0.0, 1.0, 1.5, 0.0])),
    (6, plan_of([0.0, 0.0, 1.0, 1.0])),
]


class Phased:
    """A model and what makes the engine of each phase; raises Killed in place of step `kill_at` of the run."""

    def __init__(self, settings, kill_at=None, phases=PHASES):
        self.model, self.settings, self.kill_at = tiny_model(), settings, kill_at
        self.engines, self.numbers, self.factors, self.adam_steps = {}, [], [], {}
        self.phases = [
            (first, lambda first=first, plan=plan: self.make(first, plan)) for first, plan in phases
        ]

    def make(self, first, plan):
        freeze(self.model, plan)
        groups = parameter_groups(sublayers(self.model), plan, 0.01, weight_decay=0.01)
        engine = make_engine(self.model, groups, self.settings, engine=self.settings)
        self.engines[first], step, close = engine, engine.step, engine.close

        def counted_close(**options):
            states = engine.optimiser.state.values()
            self.adam_steps[first] = {int(state["step"]) for state in states}
            close(**options)

        def counted(tokens, number, scale):
            if number == self.kill_at:
                raise Killed
            self.numbers.append(number)
            self.factors.append(scale)
            return step(tokens, number, scale)

        engine.step, engine.close = counted, counted_close
        return engine

    def train(self, state, save_every=2):
        steps = Steps(self.phases, TokenStream(some_tokens(300), 0, 5), self.settings, BLOCK)
        return train(steps, state, save_every=save_every, say=lambda text: None)

    def weights(self):
        return {name: value.clone() for name, value in self.model.state_dict().items()}


def assert_equal(found, expected):
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    run = Phased(settings_of(steps=9))
    return run, run.train(tmp_path_factory.mktemp("whole") / "state")


@pytest.mark.parametrize(
    ("kill_at", "save_every"), [*((step, 2) for step in range(9)), (4, 1), (6, 1), (4, 3), (7, 5)]
)
def test_a_run_of_phases_killed_at_any_step_and_resumed_is_bit_equal(whole, tmp_path, kill_at, save_every):
    with pytest.raises(Killed):
        Phased(settings_of(steps=9), kill_at).train(tmp_path / "state", save_every)
    resumed = Phased(settings_of(steps=9))
    assert resumed.train(tmp_path / "state", save_every) == whole[1]
    assert_equal(resumed.weights(), whole[0].weights())
    assert resumed.numbers == list(range(resumed.numbers[0], 9))
    # It goes on from the last save, and there is none where a phase begins.
    assert resumed.numbers[0] == max([0, *(step for step in range(0, kill_at + 1, save_every) if step % 3)])


def test_a_run_of_phases_killed_in_each_phase_is_bit_equal(whole, tmp_path):
    for kill_at in (2, 5, 8):
        with pytest.raises(Killed):
            Phased(settings_of(steps=9), kill_at).train(tmp_path / "state")
    resumed = Phased(settings_of(steps=9))
    assert resumed.train(tmp_path / "state") == whole[1]
    assert_equal(resumed.weights(), whole[0].weights())
    assert list(resumed.engines) == [6]  # nothing is made for phases that are over


def test_each_phase_has_a_new_optimiser_and_the_schedule_and_the_data_run_on(whole):
    """The same as engines that are made by hand and step one after the other."""
    settings = settings_of(steps=9)
    by_hand, stream = Phased(settings), TokenStream(some_tokens(300), 0, 5)
    losses = []
    for (first, make), end in zip(by_hand.phases, (3, 6, 9), strict=True):
        engine = make()
        for step in range(first, end):
            tokens = torch.from_numpy(stream.batch(step, settings.batch_size, BLOCK))
            losses.append(engine.step(tokens, step, factor(step, settings)).loss)
    run, log = whole
    assert_equal(run.weights(), by_hand.weights())
    assert [row["loss"] for row in log.steps] == losses
    assert run.numbers == list(range(9))
    assert run.factors == [factor(step, settings) for step in range(9)]
    # Steps that Adam has seen, of a sublayer trained in the phase before too.
    assert run.adam_steps == {0: {3}, 3: {3}, 6: {3}}


def test_each_phase_changes_only_the_sublayers_of_its_own_plan(tmp_path):
    settings, moved = settings_of(steps=9), []
    owner = {name: unit.name for unit in sublayers(tiny_model()) for name in unit.parameters}
    before = dict(tiny_model().named_parameters())
    for number in (1, 2, 3):
        run = Phased(settings, kill_at=(3, 6, None)[number - 1])
        with contextlib.suppress(Killed):
            run.train(tmp_path / f"state{number}")
        after = {name: p.detach().clone() for name, p in run.model.named_parameters()}
        moved.append({owner[name] for name in after if not torch.equal(after[name], before[name])})
        before = after
    assert moved == [plan.trained() for _, plan in PHASES]


def test_rates_are_logged_where_a_phase_begins(whole):
    settings, (_, log) = settings_of(steps=9), whole
    assert set(log.rates) == {0, 3, 4, 6, 8}  # first, end of the warm-up, phases, middle, last
    for step, rates in log.rates.items():
        plan = PHASES[step // 3][1]
        assert rates == {
            name: pytest.approx(0.01 * factor(step, settings) * plan.of(name)) for name in plan.trained()
        }


def test_a_phase_that_begins_after_the_last_step_is_not_made(tmp_path):
    run = Phased(settings_of(steps=5))
    run.phases = run.phases[:2]
    log = run.train(tmp_path / "state")
    assert len(log.steps) == 5
    assert list(run.engines) == [0, 3]
