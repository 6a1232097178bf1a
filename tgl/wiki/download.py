"""Fetch one dump date from a Wikimedia host or mirror, verified against its dumpstatus.json."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx

from tgl.config import WikimediaConfig
from tgl.config_types import url_problem
from tgl.errors import TglError
from tgl.files import atomic_path, sha1_file
from tgl.json_text import parse_json

_MOST_STATUS_BYTES = 64 << 20  # English Wikipedia's dumpstatus.json has a hundredth of it


def download_dump(
    settings: WikimediaConfig, date: str, folder: Path, say: Callable[[str], None] = print
) -> list[Path]:
    """Download the .xml.bz2 files of `settings.part` at `date` into `folder` and return their paths.

    Each file must have the size and SHA-1 that dumpstatus.json gives; a file already there that has both is
    kept. Raises TglError naming the URL otherwise; no partial file carries the final name.
    """
    base = settings.base_url.rstrip("/")
    if problem := url_problem(base):
        raise TglError(f"snapshots.wikimedia.base_url: {problem}")
    agent = f"tgl (continual-pretraining research; {settings.contact})"
    with httpx.Client(
        headers={"User-Agent": agent},
        follow_redirects=True,
        timeout=60,
        event_hooks={"request": [_check_request]},
    ) as client:
        status_url = f"{base}/{settings.wiki}/{date}/dumpstatus.json"
        try:
            jobs = parse_json(_get(client, status_url))["jobs"]
            job = jobs[settings.part]
            listed = {name: info for name, info in job["files"].items() if "-index" not in name}
            wanted = {
                name: _described(info)
                for name, info in listed.items()
                if re.search(r"\.xml(-p\d+p\d+)?\.bz2$", name)
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TglError(
                f"{status_url}: no part '{settings.part}' with files ({error!r}); see "
                "snapshots.wikimedia.part and the dates the host lists"
            ) from None
        if job.get("status") != "done" or not wanted:
            raise TglError(
                f"{status_url}: part '{settings.part}' is '{job.get('status')}' with {len(wanted)} files"
            )
        return [_fetch(client, base, name, info, folder, say) for name, info in sorted(wanted.items())]


def _check_request(request: httpx.Request) -> None:
    """Refuse what is not encrypted, at each step of a redirection."""
    if problem := url_problem(str(request.url)):
        raise TglError(f"redirected to another URL: {problem}")


def _described(info: dict) -> dict:
    """Return size, SHA-1 and URL of a file. Raises an error of Python's own when one is missing or of another kind."""
    found = {key: info[key] for key in ("size", "sha1", "url")}
    if type(found["size"]) is not int or not isinstance(found["sha1"], str):
        raise TypeError("size must be a whole number and sha1 a text")
    # Behind a slash it stays on the host that was configured.
    if not re.fullmatch(r"/[!-~]*", found["url"]):
        raise ValueError(f"url must be a path, found {found['url']!r}")
    return found


def _fetch(
    client: httpx.Client, base: str, name: str, info: dict, folder: Path, say: Callable[[str], None]
) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}", name):
        raise TglError(
            f"{base}: file name {name!r} in dumpstatus.json leads out of its folder, or is none; letters, digits, "
            "_ . - expected"
        )
    target = folder / name
    if target.is_file() and target.stat().st_size == info["size"] and sha1_file(target) == info["sha1"]:
        say(f"{target}: there and verified")
        return target
    url = base + info["url"]
    with atomic_path(target) as part:
        try:
            with client.stream("GET", url) as response, open(part, "wb") as stream:
                response.raise_for_status()
                for piece in response.iter_bytes(1 << 20):
                    stream.write(piece)
                    if stream.tell() > info["size"]:
                        break  # more than was said: refused below, and must not fill the disk
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TglError(f"{url}: {error!r}; run the command again") from None
        size, sha1 = part.stat().st_size, sha1_file(part)
        if (size, sha1) != (info["size"], info["sha1"]):
            raise TglError(
                f"{url}: {size} bytes, SHA-1 {sha1} received; {info['size']} bytes, {info['sha1']} expected; "
                "nothing was kept"
            )
    say(f"{target}: {size} bytes, verified")
    return target


def _get(client: httpx.Client, url: str) -> str:
    found = bytearray()
    try:
        with client.stream("GET", url) as response:
            response.raise_for_status()
            for piece in response.iter_bytes(1 << 20):
                found += piece
                if len(found) > _MOST_STATUS_BYTES:
                    raise TglError(f"{url}: more than {_MOST_STATUS_BYTES} bytes; expected a dumpstatus.json")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TglError(f"{url}: {error!r}") from None
    return found.decode("utf-8", "replace")
