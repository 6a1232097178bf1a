"""An experiment with checkpoints and a report, and what a push of it does."""

import traceback

import pytest

from tests.export.experiment import DATES, recorded
from tests.support.model_fixtures import tiny_model, tiny_tokenizer
from tgl.core.errors import TglError
from tgl.export.push import push
from tgl.models.checkpoint import save_model

TOKEN = "hf_SecretOfThisTest"
BASE = "models/tiny/base/seed0"
TRAINED = "models/tiny/tgl_fp-plain-lr0.003/seed0"
FOLDERS = [BASE, *(f"{TRAINED}/{date}" for date in DATES)]


def with_checkpoints(root):
    """Return an experiment with a base model and a checkpoint after each period."""
    made = recorded(root)
    for number, folder in enumerate(FOLDERS):
        save_model(tiny_model(seed=number), tiny_tokenizer(), made.folder / folder)
    names = [sorted(path.name for path in (made.folder / folder).iterdir()) for folder in FOLDERS]
    outputs = [[f"{f}/{name}" for name in of] for f, of in zip(FOLDERS, names, strict=True)]
    pages = [made.folder / f"snapshots/{date}/pages/0.parquet" for date in DATES]
    config = {"config": {"architecture": "gpt2", "load": None, "pretrain": {"learning_rate": 0.006}}}
    training = {"plan": "tgl_fp", "baseline": "plain", "rate": "0.003", "seed": "0"}
    made.update(
        made.declared("base", outputs[0], pages[:1], wildcards={"seed": "0"}, config=config),
        made.declared(
            "train", outputs[1] + outputs[2], [made.folder / outputs[0][0], *pages], wildcards=training
        ),
    )
    return made


def reported(experiment):
    folder = experiment.folder / "report"
    (folder / "figures").mkdir(parents=True)
    (folder / "index.html").write_text("<p>Ünïcode</p>")
    (folder / "figures" / "a.svg").write_bytes(bytes(range(256)))
    (folder / "link.txt").symlink_to(experiment.folder / "manifest.json")
    return folder


def pushed(experiment, *arguments, **options):
    lines = []
    push(experiment.folder, "me/mine", *arguments, say=lines.append, **options)
    return lines


def arrived(hub, kind):
    """Return the files that were uploaded, without the one with which the Hub creates a repository."""
    return {path: content for path, content in hub.files[kind, "me/mine"].items() if path != ".gitattributes"}


def failing(experiment, *arguments, **options):
    """Return the message of a push that must fail, and check that nothing has the token."""
    lines = []
    options = {"go": True, "say": lines.append} | options
    with pytest.raises(TglError) as caught:
        push(experiment.folder, "me/mine", *arguments, **options)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert TOKEN not in "".join(traceback.format_exception(error)) + repr(error.args) + "\n".join(lines)
    return str(error)
