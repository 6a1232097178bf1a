"""Every kind of damage to every file of a run's saved state: the file is named, the result is that of a whole run."""

import json
import shutil

import pytest

from tests.train.continual_runs import PERIODS, SETTINGS, contents, go, killing, run_of, write_inputs

FIRST, SECOND = PERIODS
# Killed in the second period after its first saved state (2 of 5 steps; the first period did all of its 5).
KILLED_AT = 8


def cut(content):
    return content[: len(content) // 2]


def cut_short(content):
    return content[:5]  # as '{"a":'


def flipped(content):
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    return bytes(changed)


def flipped_first(content):
    return bytes([content[0] ^ 128]) + content[1:]  # no UTF-8 either


def empty(content):
    return b""


def longer(content):
    return content + b" {}"


def a_list(content):
    return b"[1, 2]"


def a_number(content):
    return b"7"


def nested(content):
    return b'{"step":' * 5000 + b"1" + b"}" * 5000


def gone(content):
    return None


DAMAGES = (cut, cut_short, flipped, flipped_first, empty, longer, a_list, a_number, nested, gone)
FILES = (
    "identity.json",
    f"{FIRST}/done",
    f"{FIRST}/model/model.safetensors",
    f"{FIRST}/model/config.json",
    f"{FIRST}/steps.parquet",
    f"{SECOND}/training/progress.json",
    f"{SECOND}/training/state.safetensors",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Inputs, what an undisturbed run writes, and the state of a run that was killed in its second period."""
    inputs = write_inputs(tmp_path_factory.mktemp("inputs"))
    run = run_of(inputs, tmp_path_factory.mktemp("whole"))
    go(run)
    killed = run_of(inputs, tmp_path_factory.mktemp("killed"))
    with pytest.MonkeyPatch.context() as patch:
        killing(patch, KILLED_AT)
        with pytest.raises(KeyboardInterrupt):
            go(killed)
    return inputs, contents(run), killed.state


@pytest.fixture
def interrupted(whole, tmp_path):
    """A run whose state a kill has left, and the bytes that it has to end with."""
    inputs, expected, state = whole
    run = run_of(inputs, tmp_path)
    shutil.copytree(state, run.state)
    return run, expected


def assert_damage_is_survived(run, path, expected):
    said = go(run)
    about = [line for line in said if str(path.relative_to(run.state)).split("/")[-1] in line]
    assert about, f"{path} is not named: {said}"
    assert any("again" in line or "from step 0" in line for line in about)
    assert contents(run) == expected


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_is_named_and_the_result_is_that_of_a_whole_run(interrupted, file, damage):
    run, expected = interrupted
    path = run.state / file
    content = damage(path.read_bytes())
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    if (file, damage) == (f"{FIRST}/done", gone):  # a period without it was never done
        assert not any("already done" in line for line in go(run))
        assert contents(run) == expected
        return
    assert_damage_is_survived(run, path, expected)


@pytest.mark.parametrize("file", [*FILES, f"{SECOND}/training"])
def test_a_folder_or_file_in_the_place_of_the_other_is_named(interrupted, file):
    run, expected = interrupted
    path = run.state / file
    if path.is_dir():
        shutil.rmtree(path)
        path.write_text("a file")
    else:
        path.unlink()
        path.mkdir()
    assert_damage_is_survived(run, path, expected)


def shorter_log(progress):
    progress["steps"].pop()


def longer_log(progress):
    progress["steps"].append(progress["steps"][-1])


def other_loss(progress):
    progress["steps"][0]["loss"] += 1e-9


def no_log(progress):
    del progress["steps"]


def text_step(progress):
    progress["step"] = "2"


def later_step(progress):
    progress["step"] = 3


def negative_step(progress):
    progress["step"] = -1


def rates_as_list(progress):
    progress["rates"] = []


def other_rate(progress):
    progress["rates"]["0"] = {}


def no_checksum(progress):
    del progress["own_sha1"]


CHANGES = (
    shorter_log,
    longer_log,
    other_loss,
    no_log,
    text_step,
    later_step,
    negative_step,
    rates_as_list,
    other_rate,
    no_checksum,
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_log_with_other_values_is_named_and_not_used(interrupted, change):
    run, expected = interrupted
    path = run.state / SECOND / "training" / "progress.json"
    progress = json.loads(path.read_text())
    assert progress["step"] == 2
    change(progress)
    path.write_text(json.dumps(progress))
    assert_damage_is_survived(run, path, expected)


def test_without_damage_the_state_is_used(interrupted):
    run, expected = interrupted
    said = go(run)
    assert f"period {FIRST}: already done" in said
    assert f"resumed at step 2 of {SETTINGS.train.steps}" in said
    assert contents(run) == expected
