"""The exceptions whose messages are written for users."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TglError(Exception):
    """Bad input or an impossible request.

    The message names the file, key or row, what was found, what was expected and what to do. The command line
    prints it without a traceback and exits with status 1.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the closest known name, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""


class Stopped(TglError):
    """A signal stopped the run. The run has saved its state and can resume.

    The command line exits with status 128 + `number`: 143 for SIGTERM, 130 for SIGINT.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number
