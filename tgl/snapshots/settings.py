"""Define the configuration of snapshots: their dates and their source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from tgl.core.config_types import (
    DataPath,
    Date,
    Dates,
    FilePath,
    Integer,
    Name,
    Section,
    Seed,
    Share,
    WithoutEffect,
)
from tgl.core.registered import name_in, with_others
from tgl.snapshots.source import SOURCES

Count = Annotated[Integer, Field(ge=1, le=100_000)]
Characters = Annotated[Integer, Field(ge=10_000, le=10_000_000_000)]


class WorldConfig(Section):
    """The synthetic world (`tgl.snapshots.world.build`).

    Its shares of change are per year. A period shorter or longer than a year gets the corresponding part.
    """

    domain: Literal["encyclopedia", "records"] = Field(
        "encyclopedia",
        description="Topic. encyclopedia: people, clubs, companies, towns. records: pumps, valves, sensors, suppliers.",
    )
    pages: Annotated[Integer, Field(ge=200, le=1_000_000)] = Field(
        480,
        description="Number of articles at the first date, 200 to 1,000,000. Three of them state each fact.",
    )
    seed: Seed = Field(
        0, description="Seed of the world, 0 to 4294967295. The seeds of the runs do not change the world."
    )
    updated_share: Share = Field(
        0.25,
        description="Share of the facts that change in a year, 0 to below 1. A shorter period gets its part of it.",
    )
    new_share: Share = Field(
        0.2,
        description="New articles in a year as a share of pages, 0 to below 1. A shorter period gets its part of it.",
    )
    edited_share: Share = Field(
        0.02,
        description=(
            "Yearly share of the subjects edited without a new fact, 0 to below 1. "
            "As many are moved, and as many deleted."
        ),
    )
    candidates: Annotated[Integer, Field(ge=2, le=200)] = Field(
        12,
        description="Candidate answers that a probe ranks, 2 to 200, the right one included. Chance is 1 / candidates.",
    )


class LocalConfig(Section):
    """Dump files on this machine, below data_root."""

    pattern: FilePath = Field(
        "{date}*.xml*",
        description=(
            "File names below data_root, with {date} or {year}, {month}, {day}. The wildcards * and ? are allowed."
        ),
    )


class WikimediaConfig(Section):
    """Dump files that are downloaded over HTTP."""

    sources: DataPath | None = Field(
        None,
        description="Your own CSV table of dump sources (docs/data.md). null: dumps.wikimedia.org, then archive.org.",
    )
    search_days: Annotated[Integer, Field(ge=0, le=366)] = Field(
        31,
        description=(
            "Days by which a dump may differ from a date that no source has, 0 to 366. The nearest dump is used."
        ),
    )
    base_url: str = Field(
        "https://dumps.wikimedia.org",
        description="URL of the dump host or of a mirror; it begins with https://.",
    )
    wiki: Name = Field("enwiki", description="Name of the wiki in the dumps, such as enwiki or dewiki.")
    part: str = Field(
        "articlesmultistreamdump",
        description="Job in the host's dumpstatus.json whose files are downloaded.",
    )
    contact: Annotated[str | None, WithoutEffect] = Field(
        None,
        description="Your own e-mail address or URL for the User-Agent header. Required to download; null: none.",
    )


class HistoryConfig(Section):
    """Full histories below data_root, from which the dump of each date is made."""

    pattern: FilePath = Field(
        "*pages-meta-history*",
        description="File names of full histories below data_root: .xml, .xml.bz2 or .xml.7z, one file or parts.",
    )
    revert_hours: Annotated[Integer, Field(ge=0, le=100_000)] = Field(
        48,
        description=(
            "A revision is skipped if an earlier text returns within this many hours, 0 to 100,000. 0: skip none."
        ),
    )
    revert_revisions: Annotated[Integer, Field(ge=1, le=1000)] = Field(
        15,
        description=(
            "A revision is skipped only if an earlier text returns within this many later revisions, 1 to 1000."
        ),
    )


# The keys of `CounterfactualConfig` that hold a file.
COUNTERFACTUAL_FILES = ("facts", "wordings", "old_text", "new_text")


class CounterfactualConfig(Section):
    """Real text of two dates, with changed facts stated inside the later text (`tgl.text.counterfactual`).

    It gives a pretrained model facts to learn that contradict what it demonstrably knows.
    """

    facts: DataPath | None = Field(
        None,
        description="Facts as JSON lines, as `tgl known-facts` writes them. Required for source counterfactual.",
    )
    wordings: DataPath | None = Field(
        None,
        description="Sentences of each relation, as in examples/pretrained/wordings.json. Required likewise.",
    )
    old_text: DataPath | None = Field(
        None,
        description="Text of the first date as JSON lines {id, title, text}, plain or .xz. Required likewise.",
    )
    new_text: DataPath | None = Field(
        None, description="Text of the second date, in which facts are stated. Required likewise."
    )
    partition: Seed = Field(
        0, description="Number of the partition of the facts, 0 to 4294967295. Each one is a replicate."
    )
    updated: Count = Field(80, description="Facts that get another answer, 1 to 100,000.")
    unchanged: Count = Field(80, description="Facts of the same relations that stay, 1 to 100,000.")
    far: Count = Field(120, description="Facts of other relations that stay, at most. 1 to 100,000.")
    new_entities: Annotated[Integer, Field(ge=1, le=3072)] = Field(
        40,
        description="Invented subjects, each with one fact, 1 to 3072: as many as there are invented names.",
    )
    exposures: Count = Field(6, description="Sentences that state each changed or new fact, 1 to 100,000.")
    old_characters: Characters = Field(
        400_000, description="Characters of old text, 10,000 to 10,000,000,000."
    )
    new_characters: Characters = Field(240_000, description="Characters of new text, in the same range.")


Column = Annotated[str, Field(min_length=1, max_length=200)]


class DocumentsConfig(Section):
    """Dated collections of documents (`tgl.snapshots.documents`). A document has the same id at every date."""

    collections: dict[Date, FilePath] = Field(
        {},
        description=(
            "For each date its collection: {date: path of a file or folder} below data_root. With dataset: {date: "
            "[CONFIGURATION][:SPLIT][@REVISION]}. With repository: {date: tag, branch or commit}, or none: by date."
        ),
    )
    dataset: FilePath | None = Field(
        None, description="Hugging Face dataset that holds the collections: a name or a folder. null: none."
    )
    repository: DataPath | None = Field(
        None, description="Git repository whose files are the documents, below data_root. null: none."
    )
    pattern: FilePath = Field(
        "*",
        description="Files of a folder or repository to read, such as docs/*.md. The wildcard * also matches /.",
    )
    id_field: Column = Field(
        "id", description="Key or column with the id of a document: text or whole numbers."
    )
    title_field: Column = Field(
        "title", description="Key or column with the title. A document without one has its id as title."
    )
    text_field: Column = Field("text", description="Key or column with the text.")

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        if self.dataset is not None and self.repository is not None:
            yield "dataset: given together with repository; expected one of them. Set the other to null"


class SnapshotsConfig(Section):
    """The dates of the snapshots and where their text is from."""

    source: Annotated[str, name_in(SOURCES)] = Field(
        "synthetic",
        description=(
            "Origin of the snapshots. synthetic: generated; local: dump files; wikimedia: download; history: from full "
            "histories; documents: your own text; counterfactual: real text with changed facts."
        ),
    )
    dates: Annotated[Dates, Field(min_length=2)] = Field(
        ["20190101", "20200101", "20210101", "20220101"],
        description="Dates of the snapshots as YYYYMMDD, in ascending order. Each one after the first ends a period.",
    )
    synthetic: WorldConfig = Field(WorldConfig(), description="The synthetic world of source synthetic.")
    local: LocalConfig = Field(LocalConfig(), description="Your own dump files, for source local.")
    wikimedia: WikimediaConfig = Field(
        WikimediaConfig(), description="Download of dump files, for source wikimedia."
    )
    history: HistoryConfig = Field(
        HistoryConfig(), description="Dumps of any date from full histories, for source history."
    )
    documents: DocumentsConfig = Field(
        DocumentsConfig(), description="Your own dated documents, for source documents."
    )
    counterfactual: CounterfactualConfig = Field(
        CounterfactualConfig(), description="Real text with changed facts, for source counterfactual."
    )


SnapshotsConfig = with_others(SnapshotsConfig, SOURCES)
