"""Snapshots from text files: FOLDER/YYYYMMDD/NUMBER TITLE.txt is a page, and NUMBER is its id at every date."""

from collections.abc import Callable
from pathlib import Path

from tgl.core.config_types import FilePath, Section
from tgl.snapshots.dumps.siteinfo import Siteinfo
from tgl.snapshots.dumps.writer import DumpWriter, Page, dump_header
from tgl.snapshots.source import Source


class TextFolderConfig(Section):
    """The folder that holds a folder for each date."""

    folder: FilePath


def fetch(settings: TextFolderConfig, date: str, folder: Path, say: Callable[[str], None]):
    """Write the dump of one date, and return its files and where they came from."""
    files = {tuple(path.stem.split(" ", 1)): path for path in Path(settings.folder, date).glob("* *.txt")}
    dump, when = folder / f"texts-{date}.xml.bz2", f"{date[:4]}-{date[4:6]}-{date[6:]}T00:00:00Z"
    with DumpWriter(dump, dump_header(Siteinfo("Texts", language="en", namespaces={"": 0}))) as writer:
        for number, title in sorted(files, key=lambda key: int(key[0])):  # a dump is in order of the page ids
            text = files[number, title].read_text(encoding="utf-8")
            writer.add(Page(int(number), title, 0, revision_id=int(date), timestamp=when, text=text))
    say(f"{dump}: {len(files)} pages of {settings.folder}")
    return [dump], {"source": str(settings.folder)}


SOURCE = Source(TextFolderConfig, fetch)
