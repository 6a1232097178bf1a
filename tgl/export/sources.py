"""Where the words of a table come from, by the manifest and the tables on the way; and what licence that gives them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tgl.export.kinds import Kind, Table
from tgl.export.markdown import markdown
from tgl.provenance.manifest import File, Job, Manifest
from tgl.tables import read_about, read_table

# Wikipedia's terms of use have asked for version 4.0 since this day.
SINCE_4 = "20230607"
_LISTING = re.compile(r"wiki/(\d{8})/files\.parquet")
_PAGES = re.compile(r"wiki/([^/]+)/pages/\d+\.parquet")
# A language as BCP 47 and the Hub write it, an address of a page, and the name of a database.
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_WIKI = {
    "language": _LANGUAGE,
    "base": re.compile(r"https?://[\w.-]+(:\d+)?(/[^\s<>|\[\]()`\\]*)?"),
    "dbname": re.compile(r"[\w-]{1,100}"),
}
_WIKIPEDIA = re.compile(r"(https?://[\w-]+\.wikipedia\.org)/")


@dataclass(frozen=True)
class Dump:
    """A dump file; date: of the dump itself, which may lie beside the date that was asked for.

    wiki: what its head says (`tgl.wiki.siteinfo.Siteinfo.wiki`), empty where the tables do not tell.
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
        """The address of the Wikipedia it is of, None for another wiki."""
        match = _WIKIPEDIA.match(self.wiki.get("base", ""))
        return match[1] if match else None

    @property
    def licence(self) -> str:
        """Its identifier on the Hub."""
        if self.origin == "synthetic":
            return "apache-2.0"
        if self.wikipedia is None:
            return "other"
        return "cc-by-sa-4.0" if self.date >= SINCE_4 else "cc-by-sa-3.0"


@dataclass(frozen=True)
class Sources:
    """What tables go back to: dumps, files that no job made (but dumps), and the job that made the synthetic world."""

    dumps: list[Dump]
    files: list[File]
    world: Job | None
    languages: list[str]


def sources_of(results: Path, tables: Iterable[Table], manifest: Manifest) -> Sources:
    """Return what tables of an experiment were made from. Raises TglError when a table on the way cannot be read."""
    makers = manifest.makers()
    reached = list(_reached([table.file.path for table in tables], makers))
    wikis = {match[1]: _wiki(results / path) for path in reached if (match := _PAGES.fullmatch(path))}
    dumps = [
        dump
        for path in sorted(reached)
        if (match := _LISTING.fullmatch(path))
        for dump in _dumps(results / path, match[1], makers[path], wikis.get(match[1], {}))
    ]
    listed = {
        row["path"]
        for path in reached
        if _LISTING.fullmatch(path)
        for row in read_table(results / path, "files").to_pylist()
    }
    files = [file for file in manifest.sources if file.path in reached and file.path not in listed]
    world = next((makers[path] for path in reached if path in makers and makers[path].rule == "world"), None)
    languages = {wiki.get("language", "") for wiki in wikis.values()} - {""} or _split_as(manifest)
    return Sources(dumps, files, world, sorted(languages))


def _reached(paths: Iterable[str], makers: Mapping[str, Job]) -> Iterator[str]:
    """Yield paths and all that they were made from, each once."""
    waiting, seen = list(paths), set()
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            yield path
            waiting += [read.path for read in makers[path].inputs] if path in makers else []


def _wiki(pages: Path) -> Mapping[str, str]:
    """Return what the head of a dump says and what can be true: it may hold anything, and goes into the card."""
    found = read_about(pages).get("wiki") if pages.is_file() else {}
    found = found if isinstance(found, dict) else {}
    return {
        name: found[name]
        for name, form in _WIKI.items()
        if isinstance(found.get(name), str) and form.fullmatch(found[name])
    }


def _dumps(listing: Path, wanted: str, job: Job, wiki: Mapping[str, str]) -> Iterator[Dump]:
    rows = read_table(listing, "files").to_pylist()
    about = read_about(listing)
    found = str(about.get("found", wanted))
    origin = {"world": "synthetic", "local_files": "local file"}.get(job.rule, about.get("source", job.rule))
    for row in rows:
        path = Path(row["path"])
        made = path.parts[-4:-1] == ("wiki", wanted, "dump")  # by the rule `history`
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
    """Return the languages that sentences were split as."""
    found = [
        part.get("language") for job in manifest.jobs if job.rule == "diff" for part in job.config.values()
    ]
    return {language for language in found if isinstance(language, str) and _LANGUAGE.fullmatch(language)}


def licences(kind: Kind, sources: Sources, jobs: Iterable[Job]) -> dict[str, str]:
    """Return what is known of the licence: sentences by identifiers on the Hub, `other` for what is to be stated."""
    if kind.text is None:
        return {
            "other": "Numbers measured in this experiment are the work of who ran it: choose a licence, and write it "
            "here and in the header."
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
    told = {licence: sentence for licence, sentence in known.items() if licence in found}
    unknown = [dump.name for dump in sources.dumps if dump.licence == "other"]
    unknown += [Path(read.path).name for job in jobs if job.rule == "base_text" for read in job.inputs]
    return told | _of_probes(sets, unknown) if kind.text == "probes" else told | _to_be_stated(unknown)


_WORLD = {
    "apache-2.0": "The synthetic world's text is made by this software, and has its licence: Apache License 2.0."
}


_WIKIDATA = {"cc0-1.0": "Facts of Wikidata are free of copyright: CC0 1.0."}


def _of_probes(sets: Collection[str], unknown: list[str]) -> dict[str, str]:
    """Return what the sets of probes bring beside the sentences of snapshots, of whose dumps some are `unknown`."""
    known = (_WORLD if "world" in sets else {}) | (_WIKIDATA if "wikidata" in sets else {})
    return known | _to_be_stated([*unknown, *sorted(set(sets) - {"world", "wikidata", "snapshots"})])


def _to_be_stated(names: list[str]) -> dict[str, str]:
    """Return the entry for text whose licence nothing here says, none for no such text."""
    if not names:
        return {}
    listed = ", ".join(map(markdown, dict.fromkeys(names)))
    return {"other": f"The licence of the text of {listed} is not recorded: state it here and in the header."}
