import bz2

import pytest

import tgl.snapshots.extract.pages as pages_module
from tests.snapshots.extract.cleaning_faults import misbehave
from tgl.core.errors import TglError
from tgl.core.tables.read import read_about, read_counts, read_table
from tgl.snapshots.dumps.revisions import revision_sha1
from tgl.snapshots.extract.pages import REASONS, Shard, extract_pages, shard_range
from tgl.snapshots.extract.settings import PagesConfig

EVERYTHING = Shard(0, None)
REDIRECT = '<redirect title="x" />'


def page(number, text="Text.", revision=1, title=None, ns=0, model="wikitext", redirect=False, attributes=""):
    sha1 = f"<sha1>{revision_sha1(text)}</sha1>" if revision else ""
    identity = f"<id>{revision}</id>" if revision else ""
    return (
        f"<page><title>{title or f'P{number}'}</title><ns>{ns}</ns><id>{number}</id>"
        f"{REDIRECT if redirect else ''}<revision>{identity}<timestamp>t</timestamp>"
        f"<model>{model}</model><text{attributes}>{text}</text>{sha1}</revision></page>"
    )


@pytest.fixture
def extract(tmp_path):
    """Return a function that extracts dumps of given pages, and gives (rows by page id, counts)."""
    calls = iter(range(100))

    def run(*dumps, shard=EVERYTHING, previous=None):
        call = next(calls)
        paths = []
        for number, pages in enumerate(dumps):
            paths.append(tmp_path / f"{call}-{number}.xml.bz2")
            paths[-1].write_bytes(bz2.compress(f"<mediawiki>{''.join(pages)}</mediawiki>".encode()))
        run.output = tmp_path / f"{call}.parquet"
        counts = extract_pages(paths, run.output, shard, previous=previous)
        assert counts["pages_read"] == sum(counts[reason] for reason in REASONS)
        assert read_counts(run.output) == counts
        rows = read_table(run.output, "pages").to_pylist()
        assert [row["page_id"] for row in rows] == sorted({row["page_id"] for row in rows})
        assert len(rows) == sum(count for reason, count in counts.items() if reason.startswith("kept_"))
        return {row["page_id"]: row for row in rows}, counts

    return run


def test_if_every_page_crashes_the_parser_nothing_is_written(tmp_path, monkeypatch):
    misbehave(tmp_path, monkeypatch)
    pages = "".join(
        f"<page><title>T{n}</title><ns>0</ns><id>{n}</id><revision><id>{n}</id><model>wikitext</model>"
        f"<text>KEYERROR {n}</text></revision></page>"
        for n in range(1, 13)
    )
    (tmp_path / "d.xml").write_text(f"<mediawiki>{pages}</mediawiki>")
    with pytest.raises(TglError, match="all 12 pages crashed the parser"):
        extract_pages([tmp_path / "d.xml"], tmp_path / "out", Shard(0, None), say=lambda line: None)
    assert not (tmp_path / "out").exists()


def test_page_is_stored_with_clean_text_and_links(extract):
    rows, _ = extract([page(3, "'''A''' is in [[b|B]].", revision=9, title="A")])
    assert rows[3] == {
        "page_id": 3,
        "title": "A",
        "revision_id": 9,
        "timestamp": "t",
        "sha1": revision_sha1("'''A''' is in [[b|B]]."),
        "text": "A is in B.",
        "links": [{"target": "B", "start": 8, "end": 9}],
        "sections": [],
        "given_up": "",
    }


def test_every_page_left_out_is_counted_under_its_reason(extract):
    rows, counts = extract(
        [
            page(1),
            page(2, ns=1),
            page(3, redirect=True),
            page(4, model="css"),
            page(5, attributes=' deleted="deleted"'),
            page(6, text=" \n"),
            page(7, text="", attributes=' bytes="52"'),
        ]
    )
    assert list(rows) == [1]
    left_out = dict.fromkeys(REASONS, 1) | dict.fromkeys(
        ("kept_copied", "kept_earlier", "kept_simplified"), 0
    )
    assert counts == left_out | {"pages_read": 7}


@pytest.mark.parametrize(
    "model",
    ["css", "sanitized-css", "javascript", "json", "Scribunto", "wikibase-item", "MassMessageListContent"],
)
def test_pages_of_other_content_models_are_left_out(extract, model):
    rows, counts = extract([page(1), page(2, '{"a": "b"}', model=model)])
    assert list(rows) == [1]
    assert (counts["pages_read"], counts["other_content_model"]) == (2, 1)


def test_a_page_without_its_text_is_counted_as_deleted(extract):
    rows, counts = extract([page(1), page(2).replace("<text>Text.</text>", "")])
    assert list(rows) == [1]
    assert counts["deleted_text"] == 1


def test_a_page_whose_sha1_does_not_match_is_kept_with_it(extract):
    rows, counts = extract([page(1).replace(revision_sha1("Text."), "0" * 31)])
    assert (rows[1]["text"], rows[1]["sha1"], counts["kept_parsed"]) == ("Text.", "0" * 31, 1)


GERMAN = (
    '<mediawiki xml:lang="de"><siteinfo><sitename>Wikipedia</sitename><dbname>dewiki</dbname><namespaces>'
    '<namespace key="0" /><namespace key="1">Diskussion</namespace><namespace key="6">Datei</namespace>'
    '<namespace key="14">Kategorie</namespace></namespaces></siteinfo>'
)


def test_a_german_dump_loses_its_files_and_categories_and_knows_its_namespaces(tmp_path):
    text = "[[Datei:B.jpg|mini|Das [[Tor]].]]'''Berlin''' liegt an der [[Spree]].[[Kategorie:Stadt]]"
    pages = [page(1, text, title="Berlin"), page(2, title="Diskussion:Berlin")]
    dump = tmp_path / "d.xml"
    dump.write_text(GERMAN + "".join(pages).replace("<ns>0</ns>", "") + "</mediawiki>")
    counts = extract_pages([dump], tmp_path / "p", EVERYTHING)
    assert (counts["kept_parsed"], counts["other_namespace"]) == (1, 1)
    (row,) = read_table(tmp_path / "p", "pages").to_pylist()
    assert (row["text"], [link["target"] for link in row["links"]]) == (
        "Berlin liegt an der Spree.",
        ["Spree"],
    )
    about = read_about(tmp_path / "p")
    assert about["wiki"] == {"sitename": "Wikipedia", "dbname": "dewiki", "base": "", "language": "de"}
    assert "Einzelnachweise" in about["kept"]["drop_sections"]


def test_the_wiki_is_known_also_where_pages_were_put_in_order(extract):
    extract([page(3), page(1)])
    assert read_about(extract.output)["wiki"] == dict.fromkeys(("sitename", "dbname", "base", "language"), "")


def test_texts_are_not_copied_from_a_table_with_other_settings(tmp_path):
    dump = tmp_path / "d.xml"
    dump.write_text(GERMAN + page(1) + "</mediawiki>")
    extract_pages([dump], tmp_path / "old", EVERYTHING)
    extract_pages([dump], tmp_path / "same", EVERYTHING, previous=tmp_path / "old")
    with pytest.raises(TglError, match="extracted with other settings of tables, expected the same"):
        extract_pages(
            [dump], tmp_path / "new", EVERYTHING, previous=tmp_path / "old", settings=PagesConfig(tables=True)
        )


@pytest.mark.parametrize(
    ("settings", "why"),
    [(PagesConfig(page_seconds=0.3), "time"), (PagesConfig(page_memory_mb=500, page_seconds=60), "memory")],
)
def test_a_page_that_the_parser_is_given_up_on_is_cleaned_simply_and_listed(tmp_path, settings, why):
    hostile = "'''Before''' [[it|that]]. " + ("{{a|" * 20_000 if why == "time" else "[[a|b]] " * 1_000_000)
    dump = tmp_path / "dump.xml"
    dump.write_text(f"<mediawiki>{page(1)}{page(2, hostile)}{page(3)}</mediawiki>")
    said = []
    counts = extract_pages([dump], tmp_path / "p", EVERYTHING, settings=settings, say=said.append)
    assert (counts["kept_parsed"], counts["kept_simplified"]) == (2, 1)
    rows = read_table(tmp_path / "p", "pages").to_pylist()
    assert [row["given_up"] for row in rows] == ["", why, ""]
    assert rows[1]["text"].startswith("Before that.")
    assert said == [f"page 2 ('P2'): cleaned simply ({why})"]


def test_more_processes_give_the_same_table(tmp_path):
    dump = tmp_path / "dump.xml"
    pages = "".join(page(n, f"Text [[{n}]]. " * n) for n in range(1, 60))
    dump.write_text(f"<mediawiki>{pages}</mediawiki>")
    for processes in (1, 3):
        extract_pages([dump], tmp_path / str(processes), EVERYTHING, processes=processes)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "3").read_bytes()


def test_page_with_entities_no_encoding_has_is_stored(extract):
    rows, _ = extract([page(1, "Before &amp;#xD800; after.")])
    assert rows[1]["text"].startswith("Before")


def test_equal_revision_is_copied_and_not_parsed_again(extract, monkeypatch):
    old, _ = extract([page(1, "One [[x]].", revision=5), page(2, "Two.", revision=6)])
    previous = extract.output
    cleaned, clean_all = [], pages_module.clean_all

    def noted(jobs, *settings, **options):
        return clean_all((cleaned.append(job.wikitext) or job for job in jobs), *settings, **options)

    monkeypatch.setattr(pages_module, "clean_all", noted)
    pages = [
        page(1, "One [[x]].", revision=5, title="Moved"),
        page(2, "New.", revision=7),
        page(3, revision=8),
    ]
    rows, counts = extract(pages, previous=previous)
    assert cleaned == [None, "New.", "Text."]
    assert (counts["kept_copied"], counts["kept_parsed"]) == (1, 2)
    assert rows[1] == old[1] | {"title": "Moved"}
    assert rows[2]["text"] == "New."


def test_equal_sha1_under_another_revision_is_copied(extract):
    extract([page(1, "Same.", revision=5)])
    rows, counts = extract([page(1, "Same.", revision=6)], previous=extract.output)
    assert counts["kept_copied"] == 1
    assert rows[1]["revision_id"] == 6


def test_pages_without_revision_id_and_sha1_are_not_taken_as_equal(extract):
    extract([page(1, "Old.", revision=None)])
    rows, _ = extract([page(1, "New.", revision=None)], previous=extract.output)
    assert rows[1]["text"] == "New."


def test_copies_give_the_same_table_as_parsing_anew(extract):
    first = [page(number, f"Text [[{number}]].", revision=number) for number in range(1, 8)]
    later = first[:4] + [page(number, f"New [[{number}]].", revision=100 + number) for number in range(5, 12)]
    extract(first)
    copied, counts = extract(later, previous=extract.output)
    assert counts["kept_copied"] == 4
    assert copied == extract(later)[0]


def test_page_twice_in_the_files_of_a_date_is_an_error(extract):
    with pytest.raises(TglError, match=r"1 page ids occur more than once .* the first is 2"):
        extract([page(1), page(2)], [page(2), page(3)])


def test_pages_out_of_order_are_put_in_order(extract):
    rows, _ = extract([page(30), page(4)], [page(11), page(2)])
    assert list(rows) == [2, 4, 11, 30]


def test_shards_hold_every_page_once(extract):
    pages = [page(number) for number in (1, 9, 10, 11, 20, 21, 999)]
    found = [list(extract(pages, shard=shard_range(number, 3, 10))[0]) for number in range(3)]
    assert found == [[1, 9, 10], [11, 20], [21, 999]]


@pytest.mark.parametrize(("shards", "size"), [(1, 5), (2, 1), (4, 7)])
def test_each_page_id_belongs_to_exactly_one_shard(shards, size):
    ranges = [shard_range(number, shards, size) for number in range(shards)]
    for page_id in range(40):
        assert sum(shard.first <= page_id <= (shard.last or page_id) for shard in ranges) == 1


def test_failed_extraction_leaves_no_table(extract, tmp_path):
    (tmp_path / "cut.xml").write_text("<mediawiki>" + page(1))
    with pytest.raises(TglError, match="cut off"):
        extract_pages([tmp_path / "cut.xml"], tmp_path / "out" / "pages.parquet", EVERYTHING)
    assert list((tmp_path / "out").iterdir()) == []


def test_dump_without_any_page_is_an_error(extract):
    with pytest.raises(TglError, match=r"no page in .* found, a dump with pages expected"):
        extract([])
    assert extract([], shard=Shard(1, 5))[1]["pages_read"] == 0


@pytest.mark.parametrize("number", [-1, 3, 4])
def test_shard_that_there_is_none_of_is_an_error(number):
    with pytest.raises(TglError, match=f"shard {number} found, 0 to 2 expected"):
        shard_range(number, 3, 10)


def of_wiki(tmp_path, name, number):
    path = tmp_path / f"{name}.xml"
    path.write_text(f"<mediawiki><siteinfo><dbname>{name}</dbname></siteinfo>{page(number)}</mediawiki>")
    return path


def test_files_of_two_wikis_are_refused(tmp_path):
    dumps = [of_wiki(tmp_path, name, number) for number, name in enumerate(("enwiki", "dewiki"))]
    with pytest.raises(
        TglError, match=r"dewiki\.xml: of the wiki 'dewiki', but .*enwiki\.xml is of 'enwiki'"
    ):
        extract_pages(dumps, tmp_path / "p", EVERYTHING)
    extract_pages(dumps[:1], tmp_path / "one", EVERYTHING)
    with pytest.raises(TglError, match="one: of the wiki 'enwiki'"):
        extract_pages(dumps[1:], tmp_path / "p", EVERYTHING, previous=tmp_path / "one")
