"""The configuration of probes: which sets, their splits, and where each set comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from tgl.config_types import Date, FilePath, Flag, Language, Name, Number, Positive, Section, Seed, twice


class TemplamaConfig(Section):
    """TempLAMA or Dynamic TempLAMA: the file, and for each period its two dates in the file's notation."""

    file: FilePath | None = None
    pairs: dict[Date, Annotated[list[str], Field(min_length=2, max_length=2)]] = {}

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        for period, (earlier, later) in self.pairs.items():
            if earlier == later:
                yield f"pairs.{period}: '{earlier}' twice, so that nothing changes between them; expected two dates"


class EcbdConfig(Section):
    """ECBD: files of either layout, and the period whose new entities they hold."""

    files: Annotated[list[FilePath], Field(max_length=1000)] = []
    period: Date | None = None


class WikidataConfig(Section):
    """Facts of Wikidata at the dates of the snapshots: an entity dump, or the saved answer of a SPARQL service.

    `sitelink`, `language`: only subjects of a dump with an article there, and whose labels are written.
    """

    file: FilePath | None = None
    templates: FilePath | None = None
    sitelink: Name | None = "enwiki"
    language: Language = "en"
    max_per_relation: Positive | None = None


class SnapshotProbesConfig(Section):
    """Probes made of the snapshots' own sentences: what of training text they need and take, and how many a page.

    `pipeline`: of spaCy, which finds noun phrases.
    """

    withhold: Flag = True
    taught: Flag = True
    max_per_page: Positive = 3
    pipeline: Name = "en_core_web_sm"


# Of some hundreds of subjects, a smaller share than a thousandth is none.
Split = Annotated[Number, Field(ge=0.001, le=0.999)]


class ProbesConfig(Section):
    """Salient spans, each in one of three splits."""

    sets: Annotated[
        list[Literal["world", "templama", "ecbd", "wikidata", "snapshots"]], Field(min_length=1)
    ] = ["world"]
    validation_share: Split = 0.4
    test_share: Split = 0.5
    max_per_kind: Positive | None = None
    seed: Seed = 0
    templama: TemplamaConfig = TemplamaConfig()
    ecbd: EcbdConfig = EcbdConfig()
    wikidata: WikidataConfig = WikidataConfig()
    snapshots: SnapshotProbesConfig = SnapshotProbesConfig()

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        if self.validation_share + self.test_share > 1:
            yield (
                f"validation_share + test_share: {self.validation_share} + {self.test_share} is more than 1; lower one "
                "of them"
            )
        if "templama" in self.sets and not (self.templama.file and self.templama.pairs):
            yield "templama: file and pairs are required when sets has 'templama'"
        if "ecbd" in self.sets and not self.ecbd.files:
            yield "ecbd.files: required when sets has 'ecbd'"
        yield from twice("sets", self.sets)
        yield from twice("ecbd.files", self.ecbd.files)
