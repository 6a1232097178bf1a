"""Upload a checkpoint, the tables or the report of an experiment to the Hugging Face Hub.

The token comes from huggingface_hub's own lookup. No message has it: every text of a server or a library passes
through `_without`.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from huggingface_hub import CommitOperationAdd, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import validate_repo_id

from tgl.core.errors import TglError, nearest
from tgl.core.terminal import one_line
from tgl.export.push_files import CARD, Files, dataset_files, model_files, report_files
from tgl.provenance.manifest import NAME, read_manifest

T = TypeVar("T")
Say = Callable[[str], None]
# What can be pushed, and the type of its repository.
TYPES = {"model": "model", "dataset": "dataset", "report": "space"}
# Files with which the Hub creates a repository.
_INITIAL = {"model": {".gitattributes"}, "dataset": {".gitattributes"},
            "space": {".gitattributes", CARD, "index.html", "style.css"}}  # fmt: skip
_ADVICE = {
    401: "The token is not valid. Log in with `hf auth login`, or set HF_TOKEN to a token with write access",
    403: "The token may not write there. Check the namespace, and use a token with write access to it",
    404: "The repository or the address does not exist. Check the name and HF_ENDPOINT",
    409: "Another upload changed the repository. Run the same command again",
    429: "The Hub limits the number of requests. Wait, and run the same command again",
}


@dataclass(frozen=True)
class Upload:
    """What one push uploads. `files` are the contents by path in the repository, `type` is that of the Hub."""

    repository: str
    type: str
    private: bool
    files: Files

    @property
    def name(self) -> str:
        """The repository with its type."""
        return f"{self.repository} ({self.type})"


def push(
    results: str | Path,
    repository: str,
    what: str = "dataset",
    *,
    checkpoint: str | Path | None = None,
    private: bool = False,
    go: bool = False,
    say: Say = print,
) -> None:
    """Print what would be uploaded to the Hub, and upload it with `go`. Without `go`, no request is made.

    Args:
        results: Folder of the experiment.
        repository: NAMESPACE/NAME of a repository that is new or has no files.
        what: model, dataset or report.
        checkpoint: Folder of the checkpoint for `model`. It may be None if the experiment has only one.
        private: Whether the repository is private.
        go: Whether to upload.
        say: Function that prints a line.

    Raises:
        TglError: If the name or the input is not valid, if no token is found, or if the Hub refuses the upload.
    """
    _check_name(repository)
    endpoint = _endpoint()
    if what not in TYPES:
        raise TglError(f"--what: found '{what}'{nearest(what, TYPES)}; expected {', '.join(TYPES)}")
    if checkpoint is not None and what != "model":
        raise TglError(f"--checkpoint: found with --what {what}; expected --what model. Remove one of them.")
    results = Path(results)
    manifest = read_manifest(results / NAME)
    with tempfile.TemporaryDirectory() as scratch:
        if what == "model":
            files = model_files(results, repository, checkpoint, manifest=manifest)
        elif what == "dataset":
            files = dataset_files(results, repository, Path(scratch), say=say)
        else:
            files = report_files(results, manifest)
        upload = Upload(repository, TYPES[what], private, files)
        _describe(upload, endpoint, say, card=not go)
        if go:
            _upload(upload, endpoint, say)


def _check_name(repository: str) -> None:
    try:
        validate_repo_id(repository)
        valid = repository.count("/") == 1
    except HFValidationError:
        valid = False
    if not valid:
        raise TglError(
            f"--to: found '{one_line(repository)}', expected NAMESPACE/NAME of letters, digits and - _ . as "
            "me/my-experiment. Correct the name."
        )


def _endpoint() -> str:
    """Return the address of the Hub: HF_ENDPOINT, or huggingface.co."""
    found = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
    parts = urlsplit(found)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        # The address is not repeated, because it may contain a password.
        raise TglError(
            "HF_ENDPOINT: not an address of a Hub; expected https://HOST without a user name or password. "
            "Correct or remove the environment variable."
        )
    return found


def _describe(upload: Upload, endpoint: str, say: Say, *, card: bool) -> None:
    if card:
        say("dry run: nothing is uploaded; the same command with --go uploads it")
    say(f"repository: {upload.repository} at {endpoint}")
    say(f"type: {upload.type}, {'private' if upload.private else 'public'}")
    sizes = {path: len(c) if isinstance(c, bytes) else c.stat().st_size for path, c in upload.files.items()}
    for path in sorted(sizes):
        say(f"{sizes[path]:>15,} bytes  {one_line(path)}")
    say(f"{sum(sizes.values()):>15,} bytes  in {len(sizes)} files")
    if card:
        say(f"card ({CARD}):")
        for line in upload.files[CARD].decode().splitlines():
            say(one_line(line))


def _upload(upload: Upload, endpoint: str, say: Say) -> None:
    token = _guarded(get_token, upload, endpoint, token=None)
    if not token:
        raise TglError(
            f"{upload.name}: no token found; expected one with write access in HF_TOKEN or from `hf auth login`. Log "
            "in and run the same command again."
        )
    api = HfApi(endpoint=endpoint, token=token)
    with warnings.catch_warnings(record=True) as caught:
        url = _guarded(lambda: _send(api, upload), upload, endpoint, token=token)
    for warning in caught:
        say(one_line(_without(token, str(warning.message))))
    say(f"uploaded: {one_line(_without(token, url))}")


def _send(api: HfApi, upload: Upload) -> str:
    """Create the repository, upload all files in one commit, and return the address of the commit."""
    target = {"repo_id": upload.repository, "repo_type": upload.type}
    sdk = "static" if upload.type == "space" else None
    try:
        api.create_repo(**target, private=upload.private, space_sdk=sdk)
    except HfHubHTTPError as error:
        if error.response.status_code != 409:
            raise
        _check_existing(api, upload)
    operations = [CommitOperationAdd(path, content) for path, content in upload.files.items()]
    return api.create_commit(
        **target, operations=operations, commit_message="Upload with tgl push"
    ).commit_url


def _check_existing(api: HfApi, upload: Upload) -> None:
    """Refuse a repository that has files or another visibility. An upload that failed leaves one without files."""
    info = api.repo_info(upload.repository, repo_type=upload.type)
    files = {file.rfilename for file in info.siblings or ()} - _INITIAL[upload.type]
    if files:
        raise TglError(
            f"{upload.name}: exists already with {len(files)} files, such as {one_line(min(files))}; expected a new "
            "repository (409). Pass another name, or delete the repository."
        )
    if bool(info.private) != upload.private:
        found, expected = ("private", "public") if info.private else ("public", "private")
        raise TglError(
            f"{upload.name}: exists already and is {found}, expected {expected}. Change its visibility on the Hub, or "
            "pass another name."
        )


def _guarded(action: Callable[[], T], upload: Upload, endpoint: str, *, token: str | None) -> T:
    """Call an action and raise a TglError without the token for any error.

    It has no cause and no context, because the request in them has the token.
    """
    try:
        return action()
    except TglError as error:
        message = str(error)
    except Exception as error:  # of the Hub, the network, the disk or a library that transfers the files
        message = _message(error, upload, endpoint)
    raise TglError(_without(token, message))


def _message(error: Exception, upload: Upload, endpoint: str) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    text = one_line(str(getattr(error, "server_message", None) or error))
    if status is None:
        return (
            f"{upload.name}: the upload failed with {type(error).__name__}: {text}. Expected an answer of {endpoint}. "
            "Check the network and HF_ENDPOINT, and run the same command again."
        )
    other = "The Hub has a fault. Try again later" if status >= 500 else "Correct what the Hub refuses"
    return f"{upload.name}: {endpoint} answered with status {status}: {text}. {_ADVICE.get(status, other)}."


def _without(token: str | None, text: str) -> str:
    """Return a text with every occurrence of the token replaced."""
    return text.replace(token, "<token>") if token else text
