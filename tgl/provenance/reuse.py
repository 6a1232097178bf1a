"""Copy the outputs of a job from another experiment that made them from the same inputs in the same way.

The manifest of every experiment records the command, inputs, code and package versions of its jobs. A job whose
record is equal in all of these would write the same bytes. Nothing is copied if a file outside the experiment changed
after the job began, since the job may have read another one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from tgl.core.code_hash import code_hash
from tgl.core.errors import TglError
from tgl.core.files import atomic_path, sha256_file
from tgl.core.layout import field_of
from tgl.core.reusable import REUSABLE
from tgl.core.tables.read import read_table
from tgl.provenance.manifest import NAME, File, Job, Manifest, read_manifest
from tgl.provenance.versions import installed_versions

# The line that names the other experiment in a job's log, from which the manifest takes it.
COPIED = re.compile(r"^copied from (\S.*), which made it from the same inputs", re.MULTILINE)
_PIECE = 1 << 20


def reuse(arguments: Sequence[str], folder: str | Path) -> str | None:
    """Copy the outputs of a command from another experiment, if one has them.

    Args:
        arguments: The command as `tgl` gets it, such as ["diff", OLD, NEW, "--output", ...].
        folder: The experiment's folder. Other experiments are the folders next to it.

    Returns:
        A line that says from where; None if the command must run.

    Raises:
        OSError: The outputs cannot be written.
        TglError: An input is damaged.
    """
    if not arguments or arguments[0] not in REUSABLE or any(map(_is_own_file, _settings(arguments))):
        return None
    folder, versions = Path(folder), installed_versions()
    for path in sorted(folder.parent.glob(f"*/{NAME}")):
        other = path.parent
        if other.name == folder.name:
            continue
        try:
            manifest = read_manifest(path)
        except TglError:
            continue  # `tgl verify` reports it
        for job in manifest.jobs:
            if _is_same(job, arguments, folder=folder, other=other) and _made_with(manifest, job) == versions:
                if _copied(job.outputs, other, folder):
                    for file in job.undeclared:  # What is gone there is not needed here either.
                        _copied([file], other, folder)
                    return f"copied from {other}, which made it from the same inputs by the same code and settings"
                break
    return None


def _is_same(job: Job, arguments: Sequence[str], *, folder: Path, other: Path) -> bool:
    """Return whether a job of another experiment ran the same command on the same inputs by the same code."""
    return (
        bool(job.inputs and job.code)
        and _arguments(job) == [_moved(argument, folder, other) for argument in arguments]
        and all(_has_hash(code.modules, code.hash) for code in job.code)
        and _has_no_other_files(job, arguments, folder)
        and all(_is_same_input(one.path, one.sha256, folder=folder, other=other) for one in job.inputs)
        and not any(_changed_since(job, folder / one.path, folder) for one in job.inputs)
    )


def _has_no_other_files(job: Job, arguments: Sequence[str], folder: Path) -> bool:
    """Return whether each file of a folder outside the experiment that a command is given is an input of the job."""
    inputs = {os.path.realpath(folder / one.path) for one in job.inputs}
    places = [Path(argument.rpartition("=")[2]) for argument in arguments if argument]
    return all(
        os.path.realpath(path) in inputs
        for place in places
        if os.path.isdir(place) and not place.resolve().is_relative_to(folder.resolve())
        for path in place.rglob("*")
        if path.is_file()
    )


def _changed_since(job: Job, path: Path, folder: Path) -> bool:
    """Return whether an input from outside the experiment may have changed while the job ran.

    The manifest has the hashes of inputs at the end of the run.
    """
    if path.resolve().is_relative_to(folder.resolve()):
        return False
    return job.finished is None or path.stat().st_mtime > job.finished - (job.seconds or 0)


def _arguments(job: Job) -> list[str]:
    """Return the arguments that a job's shell command gives to `tgl`."""
    try:
        words = shlex.split(job.command or "")
    except ValueError:
        return []
    start = next((place for place, word in enumerate(words) if word in ("tgl", "tgl.jobs")), len(words))
    end = next((place for place, word in enumerate(words) if word in (">", "2>")), len(words))
    return words[start + 1 : end]


def _moved(argument: str, folder: Path, other: Path) -> str:
    """Return an argument with the folder of another experiment in place of this one's, as in NAME=results/a/FILE."""
    name, equals, path = argument.rpartition("=")
    start = f"{folder}/"
    if argument.startswith(start):
        return f"{other}/{argument.removeprefix(start)}"
    return f"{name}{equals}{other}/{path.removeprefix(start)}" if path.startswith(start) else argument


def _has_hash(modules: Sequence[str], expected: str) -> bool:
    try:
        return code_hash(*modules) == expected
    except (ImportError, OSError, SyntaxError):  # of a package that is gone
        return False


def _is_same_input(path: str, recorded: str | None, *, folder: Path, other: Path) -> bool:
    """Return whether an input, whose path is relative to either experiment, is what the other experiment read."""
    own = folder / path
    if recorded is None or not own.is_file():
        return False
    if sha256_file(own) == recorded:
        return True
    # The list of dumps holds paths, which may be in the experiment's own folder.
    theirs = other / path
    if field_of("files", path, "date") is None or not theirs.is_file() or sha256_file(theirs) != recorded:
        return False
    listed, theirs_listed = (read_table(table, "files").to_pandas() for table in (own, theirs))
    listed["path"] = [_moved(name, folder, other) for name in listed["path"]]
    return listed.equals(theirs_listed)


def _made_with(manifest: Manifest, job: Job) -> dict[str, str] | None:
    return None if job.versions is None else manifest.versions.get(job.versions)


def _settings(arguments: Sequence[str]) -> Iterator[str]:
    """Yield every text in the settings that a command gets as JSON."""
    for argument in arguments:
        if argument.startswith("{"):
            with contextlib.suppress(ValueError):  # the path of a file can begin with a brace too
                yield from _texts(json.loads(argument))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def _is_own_file(text: str) -> bool:
    """Return whether a setting names a file or folder, such as a model: the manifest does not record what is in it."""
    try:
        return bool(text) and os.path.exists(text)
    except ValueError:
        return False


def _copied(files: Sequence[File], other: Path, folder: Path) -> bool:
    """Copy files with the recorded bytes; False if one is missing or has changed."""
    for file in files:
        digest = hashlib.sha256()
        try:
            with open(other / file.path, "rb") as stream, atomic_path(folder / file.path) as part:
                with open(part, "wb") as copy:
                    while piece := stream.read(_PIECE):
                        digest.update(piece)
                        copy.write(piece)
                if digest.hexdigest() != file.sha256:
                    raise FileNotFoundError(f"{other / file.path} has changed")
        except FileNotFoundError:
            return False
    return True
