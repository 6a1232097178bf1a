"""The configuration of page extraction."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tgl.core.config_types import Flag, Integer, Number, Section


class PagesConfig(Section):
    """How the pages of a dump are split into shards, and which text of a page is kept.

    Shard i (from 0) holds the page ids from i * pages_per_shard + 1 on. The last shard holds all that follow.
    """

    shards: Annotated[Integer, Field(ge=1, le=10_000)] = Field(
        1, description="Jobs for each date, 1 to 10,000. Each job reads one range of page ids."
    )
    pages_per_shard: Annotated[Integer, Field(ge=1, le=1_000_000_000)] = Field(
        1_000_000,
        description="Page ids in each shard, 1 to 1,000,000,000. The last shard also has all higher ids.",
    )
    tables: Flag = Field(
        False, description="Keep the rows of tables, with | between cells. false: remove tables."
    )
    infoboxes: Flag = Field(
        False, description="Keep infoboxes as lines 'name: value'. false: remove infoboxes."
    )
    drop_sections: list[str] | None = Field(
        None,
        description=(
            "Headings of the sections that are removed, together with their subsections. null: the usual headings of "
            "references, notes and links in the wiki's language, where tgl knows them (wiki_names.json)."
        ),
    )
    page_seconds: Annotated[Number, Field(ge=0.1, le=3600)] = Field(
        10,
        description="CPU seconds to parse a page, 0.1 to 3600. Simple rules clean a page that needs more.",
    )
    page_memory_mb: Annotated[Integer, Field(ge=500, le=100_000)] = Field(
        2000,
        description="Memory of the parsing process in MiB, 500 to 100,000. Simple rules clean a page that needs more.",
    )
