"""Find where a dump of a wiki and date can be downloaded: a table of sources, and the listings in it.

A row of the table names either one file with its size and checksum, or a listing of files. A listing is the
`SHA256SUMS` of a folder of Content File Exports, the `dumpstatus.json` of a Wikimedia host or mirror, or the metadata
of an archive.org item. {base}, {wiki}, {date} (YYYYMMDD), {day} (YYYY-MM-DD) and {export} are filled in; * matches any
value.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date as Day
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

from tgl.core.config_types import url_problem
from tgl.core.errors import TglError
from tgl.core.json_text import parse_json
from tgl.snapshots.settings import WikimediaConfig

SHIPPED = Path(__file__).with_name("hosts.csv")
COLUMNS = ("wiki", "date", "source", "file", "size", "checksum")
# The jobs of dumpstatus.json, and the part of their file names that follows wiki and date.
PARTS = {
    "articlesmultistreamdump": "pages-articles-multistream",
    "articlesdump": "pages-articles",
    "metacurrentdump": "pages-meta-current",
    "metahistorybz2dump": "pages-meta-history",
    "metahistory7zdump": "pages-meta-history",
}
# The exports with the newest revisions, and with all revisions; both with the pages of all namespaces.
_CURRENT, _HISTORY = "mediawiki_content_current", "mediawiki_content_history"
SUMS = "SHA256SUMS"
_SUM = re.compile(r"(?P<checksum>[0-9a-f]{64})[ \t]+\*?(?P<name>\S+)")
_DUMP = re.compile(r"\.xml(-p\d+p\d+)?\.(bz2|7z)$")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}")
_CHECKSUMS = {32: "md5", 40: "sha1", 64: "sha256"}
_DUMP_DAYS = (1, 20)  # days of a month on which Wikimedia starts its dumps


@dataclass(frozen=True)
class RemoteFile:
    """A file to download.

    Attributes:
        name: The file name.
        url: The URL.
        size: The size in bytes, None if the listing has no sizes.
        checksum: The hexadecimal checksum. Its length determines whether it is MD5, SHA-1 or SHA-256.
    """

    name: str
    url: str
    size: int | None
    checksum: str

    @property
    def algorithm(self) -> str:
        """The name of the checksum's algorithm."""
        return _CHECKSUMS[len(self.checksum)]


@dataclass(frozen=True)
class Source:
    """A source of one date: the URL of a listing, or the files that the table names."""

    name: str
    date: str
    listing: str | None = None
    files: tuple[RemoteFile, ...] = ()


def sources(table: Path, settings: WikimediaConfig, date: str) -> Iterator[Source]:
    """Yield the sources of a date in order: rows that name files, then listings, by distance of the dump date.

    Args:
        table: The CSV table of sources.
        settings: The section `snapshots.wikimedia` of the configuration.
        date: The wanted date, as YYYYMMDD.

    Raises:
        TglError: A row is wrong. The message names the file and the line.
    """
    named: dict[str, list[RemoteFile]] = {}
    listings: list[tuple[str, str]] = []
    for number, row in _rows(table):
        if row["wiki"] not in ("*", settings.wiki) or row["date"] not in ("*", date):
            continue
        if row["checksum"]:
            named.setdefault(row["source"], []).append(_named_file(table, number, row))
        else:
            listings.append((row["source"], row["file"]))
    for source, files in named.items():
        yield Source(source, date, files=tuple(files))
    for day in _nearest(date, settings.search_days):
        for source, listing in listings:
            url = listing.replace("{base}", settings.base_url.rstrip("/"))
            url = url.replace("{wiki}", settings.wiki).replace("{date}", day)
            url = url.replace("{day}", f"{day[:4]}-{day[4:6]}-{day[6:]}")
            url = url.replace("{export}", _HISTORY if settings.part.startswith("metahistory") else _CURRENT)
            if problem := url_problem(url):
                raise TglError(f"source '{source}' of {table}, or snapshots.wikimedia.base_url: {problem}")
            yield Source(source, day, listing=url)


def listed(listing: str, answer: str, part: str) -> list[RemoteFile]:
    """Return the dump files of a part that the answer of a listing names, sorted by name.

    Args:
        listing: The URL of the listing.
        answer: The text of the answer.
        part: The job in dumpstatus.json.

    Returns:
        The files; none if there is no such dump.

    Raises:
        TglError: The answer is not a listing, or a file cannot be verified or stored. The message names the URL.
    """
    if listing.endswith(f"/{SUMS}"):
        return _of_sums(listing, answer)
    try:
        content = parse_json(answer)
        if "/metadata/" in listing:
            found = list(_of_item(listing, content, part))
        else:
            found = list(_of_status(listing, content, part))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TglError(
            f"{listing}: no part '{part}' with files ({error!r}). Check snapshots.wikimedia.part and the dates that "
            "the host lists"
        ) from None
    for file in found:
        _check_name(listing, file.name)
    return sorted(found, key=lambda file: file.name)


def _check_name(listing: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise TglError(f"{listing}: found the file name {name!r}, expected letters, digits and _ . - only")


def _of_sums(listing: str, answer: str) -> list[RemoteFile]:
    """Return the dump files of a SHA256SUMS, which has one checksum and name a line, and no sizes."""
    found = []
    for number, line in enumerate(filter(str.strip, answer.splitlines()), 1):
        match = _SUM.fullmatch(line.strip())
        if match is None:
            raise TglError(
                f"{listing}, line {number}: found {line[:80]!r}, expected a SHA-256 and a file name"
            )
        name = match["name"].removeprefix("./")
        _check_name(listing, name)
        if _DUMP.search(name):
            found.append(RemoteFile(name, listing.removesuffix(SUMS) + name, None, match["checksum"]))
    if not found:
        raise TglError(f"{listing}: found no dump file (.xml.bz2). Try another date")
    return sorted(found, key=lambda file: file.name)


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with open(table, encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise TglError(
                    f"{table}: found the columns {','.join(reader.fieldnames or ())}, expected {','.join(COLUMNS)}"
                )
            for row in reader:
                if None in row or None in row.values():
                    raise TglError(f"{table}, line {reader.line_num}: expected {len(COLUMNS)} values")
                yield reader.line_num, row
    except (OSError, UnicodeError, csv.Error) as error:
        raise TglError(f"{table}: cannot be read as a table of dump sources ({error})") from None


def _named_file(table: Path, number: int, row: dict[str, str]) -> RemoteFile:
    name = urlsplit(row["file"]).path.rsplit("/", 1)[-1]
    wrong = url_problem(row["file"]) or (
        f"'{name}' is not the name of a dump file (.xml.bz2, .xml-pNpM.bz2)"
        if not (_NAME.fullmatch(name) and _DUMP.search(name))
        else f"size '{row['size']}' is not a number of bytes"
        if not re.fullmatch(r"\d{1,18}", row["size"])
        else "checksum must be 32 (MD5), 40 (SHA-1) or 64 (SHA-256) hexadecimal digits"
        if len(row["checksum"]) not in _CHECKSUMS or not re.fullmatch(r"[0-9a-f]+", row["checksum"].lower())
        else None
    )
    if wrong:
        raise TglError(f"{table}, line {number}: {wrong}")
    return RemoteFile(name, row["file"], int(row["size"]), row["checksum"].lower())


def _nearest(date: str, search_days: int) -> list[str]:
    """Return the date, then the dump days within `search_days`, nearest first and earlier before later."""
    wanted = Day(int(date[:4]), int(date[4:6]), int(date[6:]))
    others = [wanted + timedelta(days) for days in range(-search_days, search_days + 1) if days]
    others = [day for day in others if day.day in _DUMP_DAYS]
    others.sort(key=lambda day: (abs((day - wanted).days), day))
    return [date, *(day.strftime("%Y%m%d") for day in others)]


def _of_status(listing: str, content: dict, part: str) -> Iterator[RemoteFile]:
    """Yield the files of a job of a dumpstatus.json, with the MD5 of files without SHA-1."""
    job = content["jobs"][part]
    wanted = {
        name: info for name, info in job["files"].items() if _DUMP.search(name) and "-index" not in name
    }
    if job.get("status") != "done" or not wanted:
        raise TglError(f"{listing}: part '{part}' is '{job.get('status')}' with {len(wanted)} files")
    base = listing.rsplit("/", 3)[0]
    for name, info in wanted.items():
        # A URL that starts with a slash stays on the configured host.
        if not re.fullmatch(r"/[!-~]*", info["url"]):
            raise ValueError(f"url must be a path, found {info['url']!r}")
        yield RemoteFile(name, base + info["url"], *_size_and_checksum(info))


def _of_item(listing: str, content: dict, part: str) -> Iterator[RemoteFile]:
    """Yield the files of an archive.org item; an empty answer means that there is no such item."""
    if not content:
        return
    stem, ending = PARTS[part], ".7z" if part.endswith("7zdump") else ".bz2"
    wiki_date = listing.rsplit("/", 1)[1]
    pattern = re.compile(rf"{re.escape(wiki_date)}-{stem}\d*\.xml(-p\d+p\d+)?{re.escape(ending)}")
    files = {info["name"]: info for info in content["files"] if pattern.fullmatch(info["name"])}
    parts = [
        name for name in files if "-p" in name.rsplit(".xml", 1)[1]
    ]  # the item may hold the same pages also as one file
    base = listing.replace("/metadata/", "/download/")
    for name in parts or files:
        yield RemoteFile(name, f"{base}/{quote(name)}", *_size_and_checksum(files[name]))


def _size_and_checksum(info: dict) -> tuple[int, str]:
    """Return size and checksum of a listed file; a missing or wrong value raises a built-in error."""
    size = info["size"]
    if type(size) is str and re.fullmatch(r"\d{1,18}", size):  # archive.org writes sizes as strings
        size = int(size)
    checksum = info["sha1"] if "sha1" in info else info["md5"]
    if type(size) is not int or not isinstance(checksum, str):
        raise TypeError("size must be an integer and sha1 or md5 a string")
    if len(checksum) not in _CHECKSUMS or not re.fullmatch(r"[0-9a-f]+", checksum):
        raise ValueError(f"{checksum!r} is not a checksum")
    return size, checksum
