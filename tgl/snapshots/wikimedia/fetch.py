"""Download one file over HTTP: resume, retry as the host asks, and verify.

The client (httpx) handles HTTP; this module decides when to send which request again. A partial file is `.NAME.part`
next to the final name, and a later run resumes it.
"""

from __future__ import annotations

import email.utils
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tgl.core.config_types import contact_problem, url_problem
from tgl.core.errors import TglError
from tgl.core.files import file_digest
from tgl.snapshots.wikimedia.hosts import RemoteFile

_PIECE = 1 << 20
_TRY_AGAIN = (429, 500, 502, 503, 504)
_TRIES = 8  # tries in a row that receive no byte
_LONGEST_WAIT = 3600  # seconds, even if a host asks for more
_ERRORS = (httpx.HTTPError, httpx.InvalidURL)


class Refused(TglError):
    """The host does not provide the file, so that only another source may help."""


def new_client(contact: str | None) -> httpx.Client:
    """Return an HTTP client that sends the contact in its User-Agent and only uses encrypted connections.

    Every redirection is checked too.

    Raises:
        TglError: The contact is missing or unusable.
    """
    if problem := contact_problem(contact):
        raise TglError(f"contact: {problem}")
    return httpx.Client(
        headers={
            "User-Agent": f"tgl (continual-pretraining research; {contact})",
            "Accept-Encoding": "identity",  # so that sizes and offsets refer to the file itself
        },
        follow_redirects=True,
        timeout=60,
        event_hooks={"request": [_check_request]},
    )


def _check_request(request: httpx.Request) -> None:
    if problem := url_problem(str(request.url)):
        raise Refused(f"redirected to another URL: {problem}")


def get_text(
    client: httpx.Client, url: str, most_bytes: int, *, wait: Callable[[float], None] = time.sleep
) -> str:
    """Return the text at a URL.

    Args:
        client: The HTTP client.
        url: The URL.
        most_bytes: The maximum size of the answer.
        wait: Sleeps for some seconds.

    Raises:
        Refused: The host answers that there is no such text.
        TglError: The host does not answer, or the answer is too large.
    """
    failure = "the host is busy"
    for number in range(_TRIES):
        found = bytearray()
        try:
            with client.stream("GET", url) as response:
                if response.status_code in _TRY_AGAIN:
                    wait(_asked_wait(response, number))
                    continue
                if response.status_code >= 400:
                    raise Refused(f"{url}: {response.status_code} {response.reason_phrase}")
                for piece in response.iter_bytes(_PIECE):
                    found += piece
                    if len(found) > most_bytes:
                        raise TglError(f"{url}: more than {most_bytes} bytes. Expected a listing of files")
            return found.decode("utf-8", "replace")
        except _ERRORS as error:
            failure = repr(error)
            wait(_backoff(number))
    raise TglError(f"{url}: no answer in {_TRIES} tries ({failure}). Run the command again")


def fetch(
    client: httpx.Client,
    file: RemoteFile,
    folder: Path,
    *,
    say: Callable[[str], None],
    progress: Callable[[int], None] = lambda received: None,
    wait: Callable[[float], None] = time.sleep,
) -> Path:
    """Download a file into a folder; a verified file that is already there is kept.

    Args:
        client: The HTTP client.
        file: The file, with its size and checksum.
        folder: The output folder.
        say: Logs a line.
        progress: Called with the number of bytes received so far.
        wait: Sleeps for some seconds.

    Returns:
        The path of the file.

    Raises:
        Refused: The host does not provide the file.
        TglError: The host does not answer, or size or checksum are wrong twice.
    """
    target = folder / file.name
    if target.is_file() and _is(file, target):
        say(f"{target}: already there, verified")
        return target
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{file.name}.part"
    for _ in range(2):  # a partial file of an earlier run may belong to another version of the file
        _receive(client, file, part, say=say, progress=progress, wait=wait)
        size, checksum = part.stat().st_size, file_digest(part, file.algorithm)
        if checksum == file.checksum and file.size in (None, size):
            with open(part, "rb") as written:
                os.fsync(written.fileno())
            part.replace(target)
            _validator(part).unlink(missing_ok=True)
            say(f"{target}: {size} bytes, verified")
            return target
        _delete(part)
        problem = (
            f"{file.url}: received {size} bytes with {file.algorithm.upper()} {checksum}, expected "
            f"{'' if file.size is None else f'{file.size} bytes with '}{file.checksum}"
        )
        say(f"{problem}; downloading it again")
    raise TglError(f"{problem}. Nothing was kept; use another source or run the command again later")


def _is(file: RemoteFile, path: Path) -> bool:
    return file.size in (None, path.stat().st_size) and file_digest(path, file.algorithm) == file.checksum


def _receive(
    client: httpx.Client,
    file: RemoteFile,
    part: Path,
    *,
    say: Callable[[str], None],
    progress: Callable[[int], None],
    wait: Callable[[float], None],
) -> None:
    """Append to the partial file until it has the expected size or is larger."""
    failures = 0
    while failures < _TRIES:
        had = part.stat().st_size if part.exists() else 0
        if file.size and had >= file.size:
            return
        try:
            with client.stream("GET", file.url, headers=_range(part, had)) as response:
                if response.status_code in _TRY_AGAIN:
                    seconds = _asked_wait(response, failures)
                    say(f"{file.url}: {response.status_code}, waiting {seconds:.0f} s")
                    failures += 1
                    wait(seconds)
                    continue
                if response.status_code == 416:  # the host has no further bytes; the caller verifies the file
                    return
                if response.status_code >= 400:
                    raise Refused(f"{file.url}: {response.status_code} {response.reason_phrase}")
                _append(response, part, had, size=file.size, progress=progress)
            if file.size is not None and part.stat().st_size < file.size:
                raise httpx.RemoteProtocolError("the host closed the connection before the end of the file")
            return
        except _ERRORS as error:
            received = part.stat().st_size if part.exists() else 0
            failures = 0 if received > had else failures + 1
            whole = "an unknown number of" if file.size is None else file.size
            say(f"{file.url}: {error!r} after {received} of {whole} bytes, resuming")
            wait(_backoff(failures))
    raise TglError(
        f"{file.url}: nothing received in {_TRIES} tries. Run the command again; it resumes the download"
    )


def _range(part: Path, had: int) -> dict[str, str]:
    """Return the headers that request the rest of the file if the file is still the same."""
    if not had:
        return {}
    validator = _validator(part)
    found = {"Range": f"bytes={had}-"}
    return found | ({"If-Range": validator.read_text()} if validator.exists() else {})


def _append(
    response: httpx.Response, part: Path, had: int, *, size: int | None, progress: Callable[[int], None]
) -> None:
    """Append the answer to the partial file, or replace the partial file if the host sends the whole file."""
    whole = r"[0-9]+" if size is None else size
    expected = re.compile(rf"bytes {had}-\d+/({whole}|\*)$")
    continues = (
        response.status_code == 206 and expected.match(response.headers.get("Content-Range", "")) is not None
    )
    tag = response.headers.get("ETag", "")
    mark = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
    if mark:
        _validator(part).write_text(mark)
    else:
        _validator(part).unlink(missing_ok=True)
    if response.status_code == 206 and not continues:  # not the range that was requested
        _delete(part)
        raise httpx.RemoteProtocolError(f"Content-Range {response.headers.get('Content-Range')!r}")
    with open(part, "ab" if continues else "wb") as stream:
        for piece in response.iter_bytes(_PIECE):
            stream.write(piece)
            progress(stream.tell())
            if size is not None and stream.tell() > size:
                return  # a file that is too large must not fill the disk; its verification fails


def _validator(part: Path) -> Path:
    """Return the file with the ETag or date by which the host recognises the same version of the file."""
    return part.with_name(part.name + ".tag")


def _delete(part: Path) -> None:
    part.unlink(missing_ok=True)
    _validator(part).unlink(missing_ok=True)


def _backoff(number: int) -> float:
    return float(min(2**number, 60))


def _asked_wait(response: httpx.Response, number: int) -> float:
    """Return the seconds that a host asks to wait (Retry-After: seconds or a date), else a growing number."""
    asked = response.headers.get("Retry-After", "").strip()
    if asked.isdecimal():
        return float(min(int(asked[:9]), _LONGEST_WAIT))
    try:
        until = email.utils.parsedate_to_datetime(asked).timestamp()
    except (ValueError, TypeError, OverflowError):
        return _backoff(number)
    return min(max(until - time.time(), 0.0), _LONGEST_WAIT)
