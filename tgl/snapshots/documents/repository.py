"""Read the files of a git repository at a commit, without a checkout."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tgl.core.errors import TglError

_KEY = "snapshots.documents.repository"


def commit_of(repository: str, date: str, revision: str | None) -> str:
    """Return the commit of a revision, or the newest one of the current branch up to the end of a date.

    Commits of other branches count from the day on which they were merged.

    Args:
        repository: The folder of the repository.
        date: The date, YYYYMMDD. The time of a commit is that of its committer; the day ends at midnight UTC.
        revision: A tag, branch or commit. None: the date decides.

    Raises:
        TglError: There is no such repository, revision or commit.
    """
    if not Path(repository).is_dir():
        raise TglError(f"{_KEY}: '{repository}' is not a folder; expected a git repository")
    if revision is None:
        until = f"{date[:4]}-{date[4:6]}-{date[6:]}T23:59:59Z"
        found = _git(repository, "rev-list", "-1", "--first-parent", f"--before={until}", "HEAD").strip()
        if not found:
            raise TglError(
                f"{_KEY}: no commit of {repository} is from {date} or earlier. Choose a later date"
            )
        return found
    return _git(repository, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").strip()


def files_of(repository: str, commit: str) -> Iterator[tuple[str, bytes]]:
    """Yield (path, content) of each regular file of a commit, as it is stored: attributes of paths have no effect.

    Raises:
        TglError: git fails.
    """
    listed = _git(repository, "ls-tree", "-r", "-z", "--full-tree", commit).split("\0")
    files = [(path, about.split()) for about, _, path in (line.partition("\t") for line in listed if line)]
    regular = [(path, name) for path, (mode, _, name) in files if mode.startswith("100")]
    command = ["git", "-C", repository, "cat-file", "--batch"]
    with tempfile.TemporaryFile("w+") as names, tempfile.TemporaryFile() as errors:
        names.write("".join(f"{name}\n" for _, name in regular))
        names.seek(0)
        with subprocess.Popen(command, stdin=names, stdout=subprocess.PIPE, stderr=errors) as process:
            for path, name in regular:
                header = process.stdout.readline().split()
                if len(header) != 3:
                    process.kill()
                    errors.seek(0)
                    found = errors.read().decode(errors="replace").strip() or b" ".join(header).decode()
                    raise TglError(f"{_KEY}: {' '.join(command)} failed for {path} ({name}): {found}")
                content = process.stdout.read(int(header[2]))
                process.stdout.read(1)  # a new line ends each file
                yield path, content


def _git(repository: str, *arguments: str) -> str:
    command = ["git", "-C", repository, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise TglError(f"{_KEY}: git is not installed, expected the command git. Install it") from None
    if done.returncode:
        raise TglError(f"{_KEY}: {' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout
