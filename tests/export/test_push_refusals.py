import logging
import socket

import pytest

import tgl.export.push as pushing
from tests.cli.running import tgl as run
from tests.export.experiment import DATES, recorded
from tests.export.push_experiment import (
    BASE,
    FOLDERS,
    TOKEN,
    TRAINED,
    arrived,
    failing,
    pushed,
    reported,
)  # fmt: skip
from tgl.core.errors import TglError
from tgl.export.push import push


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "Log in with `hf auth login`"),
        (403, "The token may not write there"),
        (404, "does not exist"),
        (429, "Wait, and run the same command again"),
        (400, "Correct what the Hub refuses"),
        (500, "The Hub has a fault. Try again later"),
        (503, "The Hub has a fault. Try again later"),
    ],
)
@pytest.mark.parametrize("part", ["create", "commit"])
def test_an_answer_of_the_hub_becomes_advice_without_the_token(part, status, words, experiment, hub):
    hub.faults[part] = (status, f"bad Bearer {TOKEN} here")
    error = failing(experiment, "report" if reported(experiment) else "")
    assert error.startswith("me/mine (space): http://127.0.0.1:")
    assert f"answered with status {status}: " in error
    assert "Bearer <token> here" in error
    assert words in error


def test_the_same_command_continues_after_an_upload_that_failed(experiment, hub):
    hub.faults["commit"] = (409, "conflict")
    assert "Another upload changed the repository. Run the same command again" in failing(experiment)
    hub.faults.clear()
    pushed(experiment, go=True)
    assert "README.md" in arrived(hub, "dataset")


def test_a_repository_with_files_is_refused_and_stays(experiment, hub):
    pushed(experiment, go=True)
    before = dict(arrived(hub, "dataset"))
    (experiment.folder / "report").mkdir()
    error = failing(experiment)
    assert "me/mine (dataset): exists already with" in error
    assert "expected a new repository (409). Pass another name" in error
    assert arrived(hub, "dataset") == before


def test_an_empty_repository_of_another_visibility_is_refused(experiment, hub):
    hub.faults["commit"] = (500, "x")
    failing(experiment)
    hub.faults.clear()
    assert "is public, expected private" in failing(experiment, private=True)
    assert arrived(hub, "dataset") == {}


def test_a_refused_connection_names_the_address(experiment, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    error = failing(experiment)
    assert f"Expected an answer of {address}" in error
    assert "ConnectError" in error


def test_without_a_token_nothing_is_sent(experiment, hub, monkeypatch):
    monkeypatch.setattr(pushing, "get_token", lambda: None)
    assert "no token found; expected one with write access in HF_TOKEN" in failing(experiment)
    assert hub.requests == []


def test_the_token_goes_to_the_hub_and_into_no_output(experiment, hub, monkeypatch, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    hub.warnings = [f"a warning with {TOKEN}"]
    status, printed, error = run("push", experiment.folder, "--to=me/mine", "--go")
    assert status == 0, error
    assert {sent for _, _, sent in hub.requests} == {f"Bearer {TOKEN}"}
    assert "a warning with <token>" in printed
    everything = [printed, error, caplog.text, *capfd.readouterr()]
    assert not any(TOKEN in text for text in everything)


@pytest.mark.parametrize(
    "name", ["mine", "me/mine/more", "me/", "/mine", "me/mi ne", "me/-mine", "me/a..b", ""]
)
def test_a_name_that_is_none_is_refused(name, experiment, hub):
    with pytest.raises(TglError, match="expected NAMESPACE/NAME"):
        push(experiment.folder, name, go=True)
    assert hub.requests == []


@pytest.mark.parametrize("address", ["ftp://hub", "hub.example", "https://me:password@hub.example"])
def test_an_address_that_is_none_is_refused_and_not_repeated(address, experiment, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", address)
    error = failing(experiment)
    assert error.startswith("HF_ENDPOINT: not an address of a Hub")
    assert address not in error


def test_several_checkpoints_are_listed(experiment):
    error = failing(experiment, "model", go=False)
    assert "3 checkpoints found, one expected" in error
    assert all(str(experiment.folder / folder) in error for folder in FOLDERS)


def test_an_unknown_checkpoint_is_refused_with_the_nearest(experiment):
    error = failing(experiment, "model", checkpoint=experiment.folder / f"{TRAINED}/20240102", go=False)
    assert f"not a checkpoint of the experiment (did you mean '{TRAINED}/{DATES[1]}'?)" in error
    assert "not a checkpoint" in failing(experiment, "model", checkpoint="/", go=False)


def test_an_experiment_without_checkpoints_is_refused(tmp_path):
    assert "lists no checkpoint" in failing(recorded(tmp_path), "model", go=False)


def test_a_changed_checkpoint_is_refused(experiment):
    path = experiment.folder / BASE / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    error = failing(experiment, "model", checkpoint=path.parent, go=False)
    assert f"{path}: SHA-256" in error


@pytest.mark.parametrize("what", ["model", "dataset", "report"])
def test_results_without_a_manifest_are_refused(what, experiment):
    (experiment.folder / "manifest.json").unlink()
    assert "manifest.json: no such file. The workflow writes it" in failing(experiment, what, go=False)


def test_an_experiment_without_a_report_is_refused(experiment):
    assert "index.html: no such file; expected a report" in failing(experiment, "report", go=False)


def test_a_kind_that_is_none_and_a_needless_checkpoint_are_refused(experiment):
    assert "found 'modle' (did you mean 'model'?)" in failing(experiment, "modle", go=False)
    assert "--checkpoint: found with --what report" in failing(experiment, "report", checkpoint="x", go=False)
