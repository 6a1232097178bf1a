import fcntl
import threading
from pathlib import Path

import pytest

from tgl.core.errors import TglError
from tgl.train.state import claimed_state, remove_state

SETTINGS = {"learning_rate": 0.002, "periods": ["20200101", "20210101"], "seed": 0}


def visit(folder, settings=SETTINGS, inputs=None):
    """Claim the state, leave a file in it, and return (files found there, what was said)."""
    said = []
    with claimed_state(folder, settings, inputs or {}, say=said.append):
        found = {file.name for file in folder.iterdir()} - {"identity.json", ".tgl-state"}
        (folder / "progress").write_text("half done")
    return found, said


def test_the_same_settings_and_inputs_keep_the_state(tmp_path):
    (tmp_path / "plan.json").write_text("{}")
    inputs = {"plan": tmp_path / "plan.json"}
    assert visit(tmp_path / "state", inputs=inputs) == (set(), [])
    assert visit(tmp_path / "state", inputs=inputs) == ({"progress"}, [])


@pytest.mark.parametrize(
    ("key", "value"), [("learning_rate", 0.003), ("periods", ["20200101"]), ("seed", 1), ("extra", True)]
)
def test_other_settings_empty_the_state_and_say_what_differs(tmp_path, key, value):
    visit(tmp_path / "state")
    found, said = visit(tmp_path / "state", {**SETTINGS, key: value})
    assert found == set()
    assert len(said) == 1
    assert f"({key})" in said[0]
    assert visit(tmp_path / "state", {**SETTINGS, key: value}) == ({"progress"}, [])


def test_a_setting_that_is_gone_is_a_difference(tmp_path):
    visit(tmp_path / "state", {**SETTINGS, "extra": 1})
    found, said = visit(tmp_path / "state")
    assert found == set()
    assert "(extra)" in said[0]


def test_an_input_with_other_content_empties_the_state_but_a_touched_one_does_not(tmp_path):
    plan = tmp_path / "plan.json"
    plan.write_text("{}")
    visit(tmp_path / "state", inputs={"plan": plan})
    plan.write_text("{}")
    assert visit(tmp_path / "state", inputs={"plan": plan})[0] == {"progress"}
    plan.write_text("{ }")
    found, said = visit(tmp_path / "state", inputs={"plan": plan})
    assert found == set()
    assert "(plan)" in said[0]


def test_an_error_inside_keeps_the_state_and_is_passed_on(tmp_path):
    def killed():
        with claimed_state(tmp_path / "state", SETTINGS, {}, say=print):
            (tmp_path / "state" / "progress").write_text("half done")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert visit(tmp_path / "state")[0] == {"progress"}


def test_a_state_in_use_is_waited_for(tmp_path):
    folder, waiting, said = tmp_path / "state", threading.Event(), []

    def say(text):
        said.append(text)
        waiting.set()

    def second():
        with claimed_state(folder, SETTINGS, {}, say=say):
            said.append("entered")

    with claimed_state(folder, SETTINGS, {}, say=print):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        assert said == [f"{folder}: waiting for another process that trains here"]
    thread.join(10)
    assert said[1:] == ["entered"]


def test_the_state_is_free_again_afterwards(tmp_path):
    visit(tmp_path / "state")
    locks = [file for file in Path(tmp_path).iterdir() if file.is_file()]
    assert locks
    for lock in locks:
        with open(lock, "w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_what_a_kill_leaves_of_a_removed_state_counts_as_nothing(tmp_path, monkeypatch):
    with claimed_state(tmp_path / "state", {"a": 1}, {}, say=print):
        (tmp_path / "state" / "2020").mkdir()
        (tmp_path / "state" / "2020" / "done").touch()
        monkeypatch.setattr("tgl.train.state.shutil.rmtree", lambda *_, **__: None)  # killed here
        remove_state(tmp_path / "state")
        monkeypatch.undo()
    with claimed_state(tmp_path / "state", {"a": 1}, {}, say=print):
        assert {path.name for path in (tmp_path / "state").iterdir()} == {"identity.json", ".tgl-state"}


def test_without_locks_it_is_said_and_the_run_goes_on(tmp_path, monkeypatch):
    def no_lock(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("tgl.train.state.fcntl.flock", no_lock)
    said = []
    with claimed_state(tmp_path / "state", {"a": 1}, {}, say=said.append):
        pass
    assert "cannot lock on this file system" in said[0]


@pytest.mark.parametrize("files", [["thesis.txt"], ["tokens/a.parquet"], ["training/progress.json"]])
def test_a_folder_that_is_no_state_folder_is_refused_and_left_as_it_is(tmp_path, files):
    for name in files:
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text("mine")
    with (
        pytest.raises(TglError, match="holds files but is not a state folder"),
        claimed_state(tmp_path / "mine", {}, {}, say=print),
    ):
        pass
    assert [(tmp_path / "mine" / name).read_text() for name in files] == ["mine"]


def test_a_state_folder_is_removed_at_once_with_what_an_earlier_removal_left(tmp_path):
    (tmp_path / ".s.removed").mkdir()
    with claimed_state(tmp_path / "s", {}, {}, say=print):
        (tmp_path / "s" / "training").mkdir()
    remove_state(tmp_path / "s")
    assert [path.name for path in tmp_path.iterdir()] == [".s.lock"]
