"""The configuration of probes: which sets, their splits, and where each set comes from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tgl.config_types import Date, Flag, Integer, Name, Number, Positive, Section


class TemplamaConfig(Section):
    """TempLAMA or Dynamic TempLAMA: the file, and for each period its two dates in the file's notation."""

    file: str | None = None
    pairs: dict[Date, Annotated[list[str], Field(min_length=2, max_length=2)]] = {}


class EcbdConfig(Section):
    """ECBD: files of either layout, and the period whose new entities they hold."""

    files: list[str] = []
    period: Date | None = None


class WikidataConfig(Section):
    """Facts of Wikidata at the dates of the snapshots: an entity dump, or the saved answer of a SPARQL service.

    `sitelink`, `language`: only subjects of a dump with an article there, and whose labels are written.
    """

    file: str | None = None
    templates: str | None = None
    sitelink: Name | None = "enwiki"
    language: Name = "en"
    max_per_relation: Positive | None = None


class SnapshotProbesConfig(Section):
    """Probes made of the snapshots' own sentences: what of training text they need and take, and how many a page.

    `pipeline`: of spaCy, which finds noun phrases.
    """

    withhold: Flag = True
    taught: Flag = True
    max_per_page: Positive = 3
    pipeline: Name = "en_core_web_sm"


class ProbesConfig(Section):
    """Salient spans, each in one of three splits."""

    sets: Annotated[
        list[Literal["world", "templama", "ecbd", "wikidata", "snapshots"]], Field(min_length=1)
    ] = ["world"]
    validation_share: Annotated[Number, Field(gt=0, lt=1)] = 0.4
    test_share: Annotated[Number, Field(gt=0, lt=1)] = 0.5
    max_per_kind: Positive | None = None
    seed: Integer = 0
    templama: TemplamaConfig = TemplamaConfig()
    ecbd: EcbdConfig = EcbdConfig()
    wikidata: WikidataConfig = WikidataConfig()
    snapshots: SnapshotProbesConfig = SnapshotProbesConfig()
