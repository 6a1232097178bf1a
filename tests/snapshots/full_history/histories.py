"""Histories made here, and the snapshots that are written from them."""

from tgl.snapshots.dumps.reader import read_pages
from tgl.snapshots.full_history.history import write_snapshots


def snapshot(folder, date):
    """Return the pages of a date, by page id, as the reader gives them."""
    (dump,) = (folder / date / "dump").iterdir()
    return {page.page_id: page for page in read_pages(dump)}


def history(tmp_path, *pages, name="w-pages-meta-history.xml"):
    (tmp_path / name).write_text("<mediawiki>" + "".join(pages) + "</mediawiki>", newline="")
    return tmp_path / name


def page(number, *revisions, more=""):
    return f"<page><title>P{number}</title><ns>0</ns><id>{number}</id>{more}{''.join(revisions)}</page>"


def revision(number, day, text, more=""):
    """Return a revision of noon of a day of January 2020; text None: deleted."""
    content = '<text deleted="deleted" />' if text is None else f'<text xml:space="preserve">{text}</text>'
    stamp = f"2020-01-{day:02d}T12:00:00Z"
    return f"<revision><id>{number}</id><timestamp>{stamp}</timestamp>{more}{content}</revision>"


def texts(path, tmp_path, *dates, settings=None, more=()):
    """Return {page id: text} at each date, and the counts and what was said."""
    said = []
    counts = write_snapshots(path, dates, tmp_path / "out", more=more, settings=settings, say=said.append)
    found = [{n: one.text for n, one in snapshot(tmp_path / "out", date).items()} for date in dates]
    return found, counts, said
