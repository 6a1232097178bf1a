"""One file over HTTP, whatever the host does meanwhile: resumed, retried as the host asks, verified.

The client (httpx) speaks HTTP; what is decided here is when to ask again and for what. A partial file lies beside the
final name as `.NAME.part`, and is gone on with also by a later run.
"""

from __future__ import annotations

import email.utils
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tgl.config_types import contact_problem, url_problem
from tgl.errors import TglError
from tgl.files import file_digest
from tgl.wiki.sources import RemoteFile

_PIECE = 1 << 20
_TRY_AGAIN = (429, 500, 502, 503, 504)
_TRIES = 8  # without a byte received
_LONGEST_WAIT = 3600  # seconds, also where a host asks for more
_ERRORS = (httpx.HTTPError, httpx.InvalidURL)


class Refused(TglError):
    """The host does not give the file: asking again helps nothing, another source may."""


def new_client(contact: str | None) -> httpx.Client:
    """Return a client that names who asks, and speaks to nothing that is not encrypted, at each redirection.

    Raises TglError for a contact that hosts cannot use.
    """
    if problem := contact_problem(contact):
        raise TglError(f"contact: {problem}")
    return httpx.Client(
        headers={
            "User-Agent": f"tgl (continual-pretraining research; {contact})",
            "Accept-Encoding": "identity",  # sizes and offsets are those of the file
        },
        follow_redirects=True,
        timeout=60,
        event_hooks={"request": [_check_request]},
    )


def _check_request(request: httpx.Request) -> None:
    if problem := url_problem(str(request.url)):
        raise Refused(f"redirected to another URL: {problem}")


def get_text(
    client: httpx.Client, url: str, most_bytes: int, wait: Callable[[float], None] = time.sleep
) -> str:
    """Return the text at a URL. Raises TglError naming it, `Refused` where the host says that there is none."""
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
                        raise TglError(f"{url}: more than {most_bytes} bytes; a listing of files expected")
            return found.decode("utf-8", "replace")
        except _ERRORS as error:
            failure = repr(error)
            wait(_backoff(number))
    raise TglError(f"{url}: no answer in {_TRIES} tries ({failure}); run the command again")


def fetch(
    client: httpx.Client,
    file: RemoteFile,
    folder: Path,
    say: Callable[[str], None],
    progress: Callable[[int], None] = lambda received: None,
    wait: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch a file into a folder and return its path; one that is there and verified is kept.

    progress: told the bytes there are. Raises TglError naming the URL when the host stays away or sends something
    else than announced, twice; `Refused` when it does not give the file.
    """
    target = folder / file.name
    if target.is_file() and _is(file, target):
        say(f"{target}: there and verified")
        return target
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{file.name}.part"
    for _ in range(2):  # a partial file of an earlier run, or of a file that changed meanwhile, may not fit
        _receive(client, file, part, say, progress, wait)
        size, checksum = part.stat().st_size, file_digest(part, file.algorithm)
        if (size, checksum) == (file.size, file.checksum):
            with open(part, "rb") as written:
                os.fsync(written.fileno())
            part.replace(target)
            _validator(part).unlink(missing_ok=True)
            say(f"{target}: {size} bytes, verified")
            return target
        _forget(part)
        problem = (
            f"{file.url}: {size} bytes, {file.algorithm.upper()} {checksum} received; {file.size} bytes, "
            f"{file.checksum} expected"
        )
        say(f"{problem}; fetching it again")
    raise TglError(f"{problem}; nothing was kept")


def _is(file: RemoteFile, path: Path) -> bool:
    return path.stat().st_size == file.size and file_digest(path, file.algorithm) == file.checksum


def _receive(
    client: httpx.Client,
    file: RemoteFile,
    part: Path,
    say: Callable[[str], None],
    progress: Callable[[int], None],
    wait: Callable[[float], None],
) -> None:
    """Receive a file until it has its size, or is longer."""
    vain = 0
    while vain < _TRIES:
        had = part.stat().st_size if part.exists() else 0
        if had >= file.size > 0:
            return
        try:
            with client.stream("GET", file.url, headers=_range(part, had)) as response:
                if response.status_code in _TRY_AGAIN:
                    seconds = _asked_wait(response, vain)
                    say(f"{file.url}: {response.status_code}, waiting {seconds:.0f} s")
                    vain += 1
                    wait(seconds)
                    continue
                if response.status_code == 416:  # the host has no more: verified below
                    return
                if response.status_code >= 400:
                    raise Refused(f"{file.url}: {response.status_code} {response.reason_phrase}")
                _append(response, part, had, file.size, progress)
            if part.stat().st_size < file.size:
                raise httpx.RemoteProtocolError("the host ended before the file did")
            return
        except _ERRORS as error:
            received = part.stat().st_size if part.exists() else 0
            vain = 0 if received > had else vain + 1
            say(f"{file.url}: {error!r} after {received} of {file.size} bytes, going on")
            wait(_backoff(vain))
    raise TglError(
        f"{file.url}: nothing received in {_TRIES} tries; run the command again, it goes on from what is there"
    )


def _range(part: Path, had: int) -> dict[str, str]:
    """Return the headers that ask for the rest, as long as the file is the same."""
    if not had:
        return {}
    validator = _validator(part)
    found = {"Range": f"bytes={had}-"}
    return found | ({"If-Range": validator.read_text()} if validator.exists() else {})


def _append(
    response: httpx.Response, part: Path, had: int, size: int, progress: Callable[[int], None]
) -> None:
    """Write what comes behind what is there, or in its place where the host sends the whole file."""
    goes_on = (
        response.status_code == 206
        and re.match(rf"bytes {had}-\d+/({size}|\*)$", response.headers.get("Content-Range", "")) is not None
    )
    tag = response.headers.get("ETag", "")
    mark = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
    if mark:
        _validator(part).write_text(mark)
    else:
        _validator(part).unlink(missing_ok=True)
    if response.status_code == 206 and not goes_on:  # another stretch than was asked for
        _forget(part)
        raise httpx.RemoteProtocolError(f"Content-Range {response.headers.get('Content-Range')!r}")
    with open(part, "ab" if goes_on else "wb") as stream:
        for piece in response.iter_bytes(_PIECE):
            stream.write(piece)
            progress(stream.tell())
            if stream.tell() > size:
                return  # more than was said: refused when verified, and must not fill the disk


def _validator(part: Path) -> Path:
    """Return the file that holds by what the host tells whether the file is still the same."""
    return part.with_name(part.name + ".tag")


def _forget(part: Path) -> None:
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
