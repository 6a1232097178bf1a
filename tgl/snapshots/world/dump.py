"""Write the synthetic world as MediaWiki dumps: multistream .xml.bz2 with index, sha1sums, dumpstatus.json.

The dumps contain what Wikipedia's dumps contain: infoboxes, references, tables, redirects, talk and template pages,
moved and deleted pages. The same code reads these dumps and real ones.
"""

from __future__ import annotations

import bz2
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tgl.core.files import atomic_path, sha1_file, write_text
from tgl.snapshots.dumps.siteinfo import Siteinfo
from tgl.snapshots.dumps.writer import DumpWriter, Page, dump_header
from tgl.snapshots.world.build import COMPANIONS, Entity, World

_SITE = Siteinfo("Synthetic", "synthetic", language="en", namespaces={"": 0, "Talk": 1, "Template": 10})


def write_dump(world: World, date: int, folder: Path) -> Path:
    """Write the dump of date index `date` into `folder`; return the path of the .xml.bz2."""
    stamp = world.dates[date]
    stem = f"synthetic-{stamp}-pages-articles-multistream"
    dump, index = folder / f"{stem}.xml.bz2", folder / f"{stem}-index.txt.bz2"
    lines: list[str] = []
    with DumpWriter(dump, dump_header(_SITE), lines) as writer:
        for page in dump_pages(world, date):
            writer.add(page)
    with atomic_path(index) as part:
        part.write_bytes(bz2.compress(("\n".join(lines) + "\n").encode()))
    sums = {file.name: sha1_file(file) for file in (dump, index)}
    write_text(folder / f"synthetic-{stamp}-sha1sums.txt", "".join(f"{v}  {k}\n" for k, v in sums.items()))
    write_text(folder / "dumpstatus.json", json.dumps(_status(stamp, [dump, index], sums), indent=1) + "\n")
    return dump


def dump_pages(world: World, date: int) -> Iterator[Page]:
    """Yield the pages of the snapshot at date index `date`, by page id."""
    top = max(entity.page_id for entity in world.entities) + 1 + COMPANIONS
    for entity in world.entities:
        if entity.exists(date):
            for number in range(1 + COMPANIONS):
                title = (
                    f"{world.domain.companions[number - 1]} {entity.name}" if number else entity.title(date)
                )
                render = partial(_article, world, entity, number)
                yield _page(
                    world,
                    entity.page_id + number,
                    title,
                    namespace=0,
                    render=render,
                    entity=entity,
                    date=date,
                )
    # Every tenth article has a redirect and every twentieth a talk page. A moved page leaves a redirect.
    for number, entity in enumerate(world.entities):
        if not entity.exists(date):
            continue
        extra, redirect = top + 3 * number, partial(_redirect, entity)
        if number % 10 == 0:
            yield _page(
                world,
                extra,
                f"{entity.name.split()[-1]} ({number})",
                namespace=0,
                render=redirect,
                entity=entity,
                date=date,
            )
        if number % 20 == 0:
            yield _page(
                world,
                extra + 1,
                f"Talk:{entity.title(date)}",
                namespace=1,
                render=partial(_talk, entity),
                entity=entity,
                date=date,
            )
        if entity.moved is not None and entity.moved <= date:
            yield _page(world, extra + 2, entity.name, namespace=0, render=redirect, entity=entity, date=date)
    end = top + 3 * len(world.entities)
    for number, name in enumerate(("Infobox", "Short description", "Cite web")):
        yield _page(
            world,
            end + number,
            f"Template:{name}",
            namespace=10,
            render=_template,
            entity=world.entities[0],
            date=date,
        )


def _page(
    world: World,
    page_id: int,
    title: str,
    *,
    namespace: int,
    render: Callable[[int], str],
    entity: Entity,
    date: int,
) -> Page:
    """Return the page whose text at a date index is `render(date)`, with the last revision that changed the text."""
    text, edit = render(date), date
    while edit > entity.since and render(edit - 1) == text:
        edit -= 1
    if page_id == entity.page_id and entity.moved is not None and edit < entity.moved <= date:
        edit = entity.moved  # a move adds a revision with the old text
    day = world.dates[edit]
    return Page(
        page_id=page_id,
        title=title,
        namespace=namespace,
        revision_id=edit * 100_000_000 + page_id,
        timestamp=f"{day[:4]}-{day[4:6]}-{day[6:]}T00:00:00Z",
        text=text,
        redirect=entity.title(date) if text.startswith("#REDIRECT") else None,
    )


def _redirect(entity: Entity, date: int) -> str:
    return f"#REDIRECT [[{entity.title(date)}]]"


def _talk(entity: Entity, date: int) -> str:
    return f"== Sources ==\nWhere does it say so of {entity.name}? ~~~~"


def _template(date: int) -> str:
    return "<includeonly>{{{1}}}</includeonly>"


def _article(world: World, entity: Entity, number: int, date: int) -> str:
    statement, relation = entity.statement(date), entity.relation
    link = _link(statement.object, date)
    # As in the first sentence of a real article, the subject is bold and a reference follows the full stop.
    sentence = entity.wording(date, number).format(S=f"'''{entity.name}'''", O=link)
    year = world.dates[statement.since][:4]
    text = (
        f"{{{{Short description|{entity.kind}}}}}\n"
        f"{{{{Infobox\n| name = {entity.name}\n| {relation.infobox_key} = {link}\n}}}}\n"
        f"{sentence}<ref>{{{{Cite web|title={entity.name}|year={year}}}}}</ref><!-- checked {year} -->\n"
    )
    if entity.page_id % 7 == 0:
        heading = world.domain.table_heading
        text += f'\n== {heading} ==\n{{| class="wikitable"\n! Year !! Entry\n|-\n| {year} || {link}\n|}}\n'
    if any(edit <= date for edit in entity.touched):
        text += "\n== References ==\n{{Reflist}}\n"
    return text + f"\n[[Category:{entity.kind.capitalize()} articles]]\n"


def _link(entity: Entity, date: int) -> str:
    title = entity.title(date)
    return f"[[{title}]]" if title == entity.name else f"[[{title}|{entity.name}]]"


def _status(stamp: str, files: list[Path], sums: dict[str, str]) -> dict:
    return {
        "version": "0.8",
        "jobs": {
            "articlesmultistreamdump": {
                "status": "done",
                "updated": f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:]} 00:00:00",
                "files": {
                    file.name: {
                        "size": file.stat().st_size,
                        "url": f"/synthetic/{stamp}/{file.name}",
                        "sha1": sums[file.name],
                    }
                    for file in files
                },
            }
        },
    }
