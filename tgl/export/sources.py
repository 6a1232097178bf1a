"""Trace the text of a table to its sources through the manifest, and derive its licences."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tgl.core.layout import field_of
from tgl.core.tables.read import read_about, read_table
from tgl.export.kinds import Kind, Table
from tgl.export.markdown import markdown
from tgl.provenance.manifest import File, Job, Manifest

# Since this date, the terms of use of Wikipedia require version 4.0 of the licence.
SINCE_4 = "20230607"
# Valid forms of a language tag (BCP 47, as on the Hub), of a page address and of a database name.
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_WIKI = {
    "language": _LANGUAGE,
    "base": re.compile(r"https?://[\w.-]+(:\d+)?(/[^\s<>|\[\]()`\\]*)?"),
    "dbname": re.compile(r"[\w-]{1,100}"),
}
_WIKIPEDIA = re.compile(r"(https?://[\w-]+\.wikipedia\.org)/")


@dataclass(frozen=True)
class Dump:
    """A dump file.

    Attributes:
        date: Date of the dump, which can differ from the requested date.
        wanted: Requested date.
        name: Name of the file.
        bytes: Size of the file.
        sha1: SHA-1 of the file.
        origin: Source of the file.
        wiki: Header of the dump (`tgl.snapshots.dumps.siteinfo.Siteinfo.wiki`), empty if it was not recorded.
    """

    date: str
    wanted: str
    name: str
    bytes: int
    sha1: str
    origin: str
    wiki: Mapping[str, str]

    @property
    def wikipedia(self) -> str | None:
        """Address of the Wikipedia that the dump belongs to; None for another wiki."""
        match = _WIKIPEDIA.match(self.wiki.get("base", ""))
        return match[1] if match else None

    @property
    def licence(self) -> str:
        """Identifier of the licence on the Hub; `other` if unknown."""
        if self.origin == "synthetic":
            return "apache-2.0"
        if self.wikipedia is None:
            return "other"
        return "cc-by-sa-4.0" if self.date >= SINCE_4 else "cc-by-sa-3.0"


@dataclass(frozen=True)
class Sources:
    """Sources of tables.

    Attributes:
        dumps: Dump files.
        files: Other files that no job of the experiment made.
        world: Job that made the synthetic world, if any.
        languages: Language codes of the text.
    """

    dumps: list[Dump]
    files: list[File]
    world: Job | None
    languages: list[str]


def sources_of(results: Path, tables: Iterable[Table], manifest: Manifest) -> Sources:
    """Return the sources of tables of an experiment.

    Args:
        results: Folder of the experiment.
        tables: Tables to trace.
        manifest: Manifest of the experiment.

    Raises:
        TglError: If a table between the sources and these tables cannot be read.
    """
    makers = manifest.makers()
    reached = list(_reached([table.file.path for table in tables], makers))
    wikis = {date: _wiki(results / path) for path in reached if (date := field_of("pages", path, "date"))}
    dumps = [
        dump
        for path in sorted(reached)
        if (date := field_of("files", path, "date"))
        for dump in _dumps(results / path, date, makers[path], wiki=wikis.get(date, {}))
    ]
    listed = {
        row["path"]
        for path in reached
        if field_of("files", path, "date")
        for row in read_table(results / path, "files").to_pylist()
    }
    files = [file for file in manifest.sources if file.path in reached and file.path not in listed]
    world = next((makers[path] for path in reached if path in makers and makers[path].rule == "world"), None)
    languages = {wiki.get("language", "") for wiki in wikis.values()} - {""} or _split_as(manifest)
    return Sources(dumps, files, world, sorted(languages))


def _reached(paths: Iterable[str], makers: Mapping[str, Job]) -> Iterator[str]:
    """Yield the paths and all their direct and indirect inputs, each once."""
    waiting, seen = list(paths), set()
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            yield path
            waiting += [read.path for read in makers[path].inputs] if path in makers else []


def _wiki(pages: Path) -> Mapping[str, str]:
    """Return the valid values of a dump's header. The header can contain anything, and the values go into the card."""
    found = read_about(pages).get("wiki") if pages.is_file() else {}
    found = found if isinstance(found, dict) else {}
    return {
        name: found[name]
        for name, form in _WIKI.items()
        if isinstance(found.get(name), str) and form.fullmatch(found[name])
    }


def _dumps(listing: Path, wanted: str, job: Job, *, wiki: Mapping[str, str]) -> Iterator[Dump]:
    rows = read_table(listing, "files").to_pylist()
    about = read_about(listing)
    found = str(about.get("found", wanted))
    origin = {"world": "synthetic", "local_files": "local file"}.get(job.rule, about.get("source", job.rule))
    for row in rows:
        path = Path(row["path"])
        made = path.parts[-4:-1] == (
            "snapshots",
            wanted,
            "dump",
        )  # The rule `history` writes its dumps there.
        yield Dump(
            found if re.fullmatch(r"\d{8}", found) else wanted,
            wanted,
            path.name,
            row["bytes"],
            row["sha1"],
            "made from a full history" if made and origin == "local file" else origin,
            wiki,
        )


def _split_as(manifest: Manifest) -> set[str]:
    """Return the languages that were configured for sentence splitting."""
    found = [
        part.get("language") for job in manifest.jobs if job.rule == "diff" for part in job.config.values()
    ]
    return {language for language in found if isinstance(language, str) and _LANGUAGE.fullmatch(language)}


def licences(kind: Kind, sources: Sources, jobs: Iterable[Job]) -> dict[str, str]:
    """Return the known licences of a table.

    Args:
        kind: Description of the table.
        sources: Sources of the tables.
        jobs: Jobs that made the tables.

    Returns:
        For each licence identifier of the Hub, a sentence that explains it. `other` is text or numbers whose licence
        the publisher must state.
    """
    if kind.text is None:
        return {
            "other": "Numbers measured in this experiment are the work of the person who ran it: choose a licence, and "
            "write it here and in the header."
        }
    if kind.text == "world":
        return _WORLD
    sets = {name for job in jobs for part in job.config.values() for name in part.get("sets", [])}
    if kind.text == "probes" and "snapshots" not in sets:
        return _of_probes(sets, [])
    found = {dump.licence for dump in sources.dumps}
    known = {
        "apache-2.0": _WORLD["apache-2.0"],
        "cc-by-sa-3.0": f"Text of Wikipedia, snapshots before {SINCE_4}: CC BY-SA 3.0.",
        "cc-by-sa-4.0": f"Text of Wikipedia, snapshots since {SINCE_4}: CC BY-SA 4.0.",
    }
    recorded = {licence: sentence for licence, sentence in known.items() if licence in found}
    unknown = [dump.name for dump in sources.dumps if dump.licence == "other"]
    unknown += [Path(read.path).name for job in jobs if job.rule == "base_text" for read in job.inputs]
    if (
        not recorded and not unknown
    ):  # documents of one's own, from files, or from a repository or dataset of the hub
        unknown = [Path(file.path).name for file in sources.files] or ["documents"]
    return recorded | (_of_probes(sets, unknown) if kind.text == "probes" else _to_be_stated(unknown))


_WORLD = {
    "apache-2.0": "This software generates the text of the synthetic world, so its licence applies: Apache License 2.0."
}


_WIKIDATA = {"cc0-1.0": "Facts of Wikidata are free of copyright: CC0 1.0."}


def _of_probes(sets: Collection[str], unknown: list[str]) -> dict[str, str]:
    """Return the licences of probe sets. `unknown` lists dumps of the snapshots that have no known licence."""
    known = (_WORLD if "world" in sets else {}) | (_WIKIDATA if "wikidata" in sets else {})
    return known | _to_be_stated([*unknown, *sorted(set(sets) - {"world", "wikidata", "snapshots"})])


def _to_be_stated(names: list[str]) -> dict[str, str]:
    """Return the entry for text without a recorded licence; empty if there is no such text."""
    if not names:
        return {}
    listed = ", ".join(map(markdown, dict.fromkeys(names)))
    return {"other": f"The licence of the text of {listed} is not recorded: state it here and in the header."}
