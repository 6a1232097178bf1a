"""State of interrupted trainings: what is damaged is done again, and nothing else comes of it."""

import json
import shutil

import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import cases, changed, changed_files, damaged, in_time, json_files, json_values
from tgl.train.progress import TrainingLog, read_progress, read_tensors, save_progress
from tgl.train.state import claimed_state

SETTINGS = {
    "seed": 0,
    "learning_rate": 0.006,
    "plan": {"embedding": 0.0, "multipliers": {"block00.mlp": 1.0}},
}
LOG = TrainingLog(
    steps=[{"step": number, "loss": 5.5 - number, "gradient_norm": 1.0, "num_tokens": 64} for number in range(3)],
    rates={0: {"block00.mlp": 0.006}, 2: {"block00.mlp": 0.003}},
)  # fmt: skip
TENSORS = {"block00.weight": torch.arange(12.0).view(3, 4), "exp_avg.block00.weight": torch.ones(3, 4)}


any_json = json_files(st.one_of(changed(SETTINGS), json_values), suffixes=(".json",)).map(
    lambda file: file[1]
)


@cases(0.01)
@given(changed_files(SETTINGS, json.dumps(SETTINGS).encode()) | any_json)
def test_a_state_with_a_changed_identity_is_kept_when_it_is_equal_and_emptied_with_a_word_else(
    folder, content
):
    state, said = folder / "run", []
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    (state / "identity.json").write_bytes(content)
    (state / "kept").touch()
    try:
        equal = json.loads(content) == SETTINGS
    except (ValueError, RecursionError):
        equal = False
    with in_time(), claimed_state(state, SETTINGS, {}, say=said.append):
        assert (state / "kept").exists() == equal
        assert json.loads((state / "identity.json").read_text()) == SETTINGS
    assert equal or said


@st.composite
def changed_progress(draw, files: dict[str, bytes]):
    """Return the files of a saved training with one of them changed or left out."""
    name = draw(st.sampled_from(sorted(files)))
    if name.endswith(".json") and draw(st.booleans()):
        content = draw(changed_files(json.loads(files[name]), files[name]))
    else:
        content = draw(damaged(files[name]) | st.just(None))
    return files | {name: content}


@cases(0.02)
@given(st.data())
def test_a_changed_training_goes_on_as_it_was_saved_or_from_its_start_with_a_word(folder, data):
    state, saved = folder / "training", folder / "saved"
    if not saved.exists():
        save_progress(saved, 3, LOG, tensors=TENSORS)
    files = data.draw(changed_progress({path.name: path.read_bytes() for path in saved.iterdir()}))
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    for name, content in files.items():
        if content is not None:
            (state / name).write_bytes(content)
    said: list[str] = []
    with in_time():
        step, log = read_progress(state, said.append)
    if step == 0:
        assert log == TrainingLog()
        assert str(state) in said[0]
        return
    assert (step, log) == (3, LOG)
    with in_time():
        found = read_tensors(state)
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)
