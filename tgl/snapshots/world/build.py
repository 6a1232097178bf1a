"""Build the synthetic world: entities, facts, and how both change from one date to the next.

`build_world` has no side effects: it turns a WorldConfig and dates into a `World`. The module `dump` writes the world
as MediaWiki dumps. The setting `pages` scales the world, and a `Domain` defines its topic.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from tgl.core.years import due, due_of_each, year_parts
from tgl.snapshots.settings import WorldConfig
from tgl.snapshots.world.domain import Domain, NameMaker, Relation
from tgl.snapshots.world.wording_encyclopedia import ENCYCLOPEDIA
from tgl.snapshots.world.wording_records import RECORDS

# The values of `snapshots.synthetic.domain`.
DOMAINS = {"encyclopedia": ENCYCLOPEDIA, "records": RECORDS}

# Each fact is stated in the subject's own article and, in another wording, in this many companion articles
# (`Domain.companions`: "History of ...", "Records of ..."). A small model that sees a fact in one wording only
# memorises the sentence and not the fact. Two wordings in the same article would allow the model to copy.
COMPANIONS = 2


@dataclass
class Statement:
    """A statement of an article about its subject.

    Attributes:
        since: The date index from which the statement holds.
        object: The object of the fact.
        wordings: The indices of the wordings, first for the entity's own article, then for its companions.
    """

    since: int
    object: Entity
    wordings: tuple[int, ...]


@dataclass
class Entity:
    """One entity and its articles.

    Attributes:
        page_id: The id of its own page. The next ids belong to its companion articles.
        name: The name.
        relation: The relation that its article states.
        since: The date index of its first snapshot.
        gone: The date index from which its pages are deleted, or None.
        moved: The date index from which its own page has another title, or None.
        statements: The statements, in order of time.
        touched: The date indices of edits that change no sentence.
    """

    page_id: int
    name: str
    relation: Relation
    since: int
    gone: int | None = None
    moved: int | None = None
    statements: list[Statement] = field(default_factory=list)
    touched: list[int] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The entity's type."""
        return self.relation.subject_type

    def exists(self, date: int) -> bool:
        """Return whether the snapshot of date index `date` contains the page."""
        return self.since <= date and (self.gone is None or date < self.gone)

    def statement(self, date: int) -> Statement:
        """Return the statement that holds at date index `date`."""
        return [statement for statement in self.statements if statement.since <= date][-1]

    def title(self, date: int) -> str:
        """Return the title of the page; a moved page has a disambiguator."""
        return f"{self.name} ({self.kind})" if self.moved is not None and self.moved <= date else self.name

    def wording(self, date: int, article: int) -> str:
        """Return the wording of the fact at `date`, with {S} and {O}; article 0 is the entity's own."""
        wordings = self.relation.wordings
        return wordings[self.statement(date).wordings[article]]


@dataclass
class World:
    """All entities, and the dates (YYYYMMDD) to which their date indices refer."""

    domain: Domain
    dates: list[str]
    entities: list[Entity]
    num_candidates: int
    seed: int

    def facts(self) -> Iterator[dict]:
        """Yield the rows of the table `facts`: each statement with its probe sentence and candidates."""
        objects: dict[str, dict[str, None]] = defaultdict(dict)
        for entity in self.entities:
            for statement in entity.statements:
                objects[entity.relation.id][statement.object.name] = None
        pools = {relation: sorted(names) for relation, names in objects.items()}
        for entity in self.entities:
            relation = entity.relation
            held = sorted({statement.object.name for statement in entity.statements})
            rng = random.Random(f"candidates:{self.seed}:{entity.page_id}")
            pool = pools[relation.id]
            drawn = rng.sample(pool, min(len(pool), self.num_candidates + len(held)))
            others = [name for name in drawn if name not in held]
            candidates = sorted(held + others[: max(0, self.num_candidates - len(held))])
            ends = [statement.since for statement in entity.statements[1:]]
            ends.append(len(self.dates) if entity.gone is None else entity.gone)
            for statement, end in zip(entity.statements, ends, strict=True):
                question = relation.probe.format(S=entity.name, O="\0")
                start = question.index("\0")
                yield {
                    "subject_id": entity.page_id,
                    "subject": entity.name,
                    "relation": relation.id,
                    "object": statement.object.name,
                    "first_date": self.dates[statement.since],
                    "last_date": self.dates[end - 1],
                    "text": question.replace("\0", statement.object.name),
                    "span_start": start,
                    "span_end": start + len(statement.object.name),
                    "candidates": candidates,
                }


def build_world(config: WorldConfig, dates: list[str]) -> World:
    """Build the world: `config.pages` articles at the first date, then changes at each later date.

    Shares of change are per year and refer to the entities at the beginning of the year (`tgl.core.years`). Monthly,
    quarterly and yearly dates over the same years therefore bring the same number of changes.

    Args:
        config: The section `snapshots.synthetic` of the configuration.
        dates: The dates of the snapshots, as YYYYMMDD in ascending order.
    """
    rng = random.Random(f"world:{config.seed}")
    domain = DOMAINS[config.domain]
    name = NameMaker(domain, str(config.seed), config.pages)
    world = World(domain, list(dates), [], config.candidates, config.seed)
    by_kind: dict[str, list[Entity]] = defaultdict(list)
    next_id = 1

    def add(kind: str, date: int) -> None:
        nonlocal next_id
        entity = Entity(next_id, name(kind), domain.relation(kind), date)
        next_id += 1 + COMPANIONS + rng.choice((0, 0, 1))  # ids have gaps, as in a real wiki
        world.entities.append(entity)
        by_kind[kind].append(entity)

    def add_many(date: int, before: float, now: float, yearly: int) -> list[Entity]:
        first = len(world.entities)
        numbers = {kind: yearly * form.share / (1 + COMPANIONS) for kind, form in domain.types.items()}
        for kind, number in due_of_each(before, now, numbers).items():
            for _ in range(number):
                add(kind, date)
        return world.entities[first:]

    def state(entity: Entity, date: int) -> None:
        """Give the entity an object it never had; after many dates a small world may have none left."""
        relation = entity.relation
        held = {statement.object.page_id for statement in entity.statements}
        # Only entities of the first snapshot serve as objects, so that a new article contains only one unknown name,
        # its own.
        pool = by_kind[relation.object_type][: first_count[relation.object_type]]
        for _ in range(100):
            target = rng.choice(pool)
            if target.page_id not in held and target.exists(date):
                wordings = tuple(rng.sample(range(len(relation.wordings)), 1 + COMPANIONS))
                entity.statements.append(Statement(date, target, wordings))
                return

    add_many(0, 0.0, 1.0, config.pages)
    first_count = {kind: len(entities) for kind, entities in by_kind.items()}
    for entity in world.entities:
        state(entity, 0)
    is_object = {statement.object.page_id for entity in world.entities for statement in entity.statements}
    for date, (start, before, now) in enumerate(year_parts(dates), 1):
        existing = [entity for entity in world.entities if entity.exists(date)]
        rng.shuffle(existing)
        base = sum(entity.exists(start) for entity in world.entities)
        num_updated = due(before, now, base * config.updated_share)
        num_each = due(before, now, max(1, base * config.edited_share))
        updated, rest = existing[:num_updated], existing[num_updated:]
        for entity in updated:
            state(entity, date)
            is_object.add(entity.statements[-1].object.page_id)
        for entity in rest[:num_each]:
            entity.touched.append(date)
        movable = [entity for entity in rest[num_each:] if entity.moved is None]
        for entity in movable[:num_each]:
            entity.moved = date
        deletable = [entity for entity in movable[num_each:] if entity.page_id not in is_object]
        for entity in deletable[:num_each]:
            entity.gone = date
        new = add_many(date, before, now, round(config.pages * config.new_share))
        for entity in new:
            state(entity, date)
    return world
