import bz2
import hashlib
import json
import re
from collections import Counter

import pytest

from tgl.snapshots.dumps.reader import read_pages
from tgl.snapshots.dumps.revisions import revision_sha1
from tgl.snapshots.extract.pages import Shard, extract_pages
from tgl.snapshots.extract.wikitext import clean
from tgl.snapshots.settings import WorldConfig
from tgl.snapshots.world.build import DOMAINS, build_world
from tgl.snapshots.world.dump import dump_pages, write_dump
from tgl.text.diff.sentences import split_sentences

DATES = ["20190101", "20200101", "20210101"]


@pytest.fixture(scope="module", params=DOMAINS)
def settings(request):
    return WorldConfig(pages=300, edited_share=0.04, domain=request.param)


@pytest.fixture(scope="module")
def world(settings):
    return build_world(settings, DATES)


@pytest.fixture(scope="module")
def dumps(world, tmp_path_factory):
    root = tmp_path_factory.mktemp("dumps")
    return [write_dump(world, number, root / date) for number, date in enumerate(DATES)]


@pytest.fixture(scope="module")
def snapshots(dumps):
    """The pages of each date, by page id, as the reader gives them."""
    return [{page.page_id: page for page in read_pages(dump)} for dump in dumps]


@pytest.fixture(scope="module")
def texts(snapshots):
    """Clean text of each article of each date, by page id."""
    return [
        {
            page.page_id: clean(page.text).text
            for page in pages.values()
            if page.namespace == 0 and not page.is_redirect
        }
        for pages in snapshots
    ]


def test_default_world_is_the_same_to_the_byte_in_every_version(tmp_path):
    """Published results name a seed and not the code that made the world: this pins what the seed means."""
    world = build_world(WorldConfig(pages=240), DATES)
    text = b"".join(
        bz2.decompress(write_dump(world, number, tmp_path / date).read_bytes())
        for number, date in enumerate(DATES)
    )
    assert (
        hashlib.sha256(text).hexdigest() == "66d04beb776d2b95ac5b0219de9d28fab0ca3b75ce2c40431a1a758d8b033004"
    )


def test_same_seed_gives_identical_bytes_and_another_seed_others(settings, dumps, tmp_path):
    again = write_dump(build_world(settings, DATES), 1, tmp_path / "again")
    names = sorted(path.name for path in dumps[1].parent.iterdir())
    assert names == sorted(path.name for path in again.parent.iterdir())
    assert len(names) == 4
    for name in names:
        assert (again.parent / name).read_bytes() == (dumps[1].parent / name).read_bytes()
    other = write_dump(build_world(settings.model_copy(update={"seed": 1}), DATES), 1, tmp_path / "other")
    assert other.read_bytes() != dumps[1].read_bytes()


def test_reader_gives_back_every_page_that_was_written(world, snapshots):
    for date, pages in enumerate(snapshots):
        written = list(dump_pages(world, date))
        assert [page.page_id for page in written] == list(pages)  # and no id occurs twice
        for page in written:
            found = pages[page.page_id]
            assert (found.title, found.namespace, found.text) == (page.title, page.namespace, page.text)
            assert (found.revision_id, found.timestamp) == (page.revision_id, page.timestamp)
            assert found.is_redirect == (page.redirect is not None)


def test_no_title_occurs_twice_in_a_snapshot(snapshots):
    for pages in snapshots:
        titles = Counter(page.title for page in pages.values())
        assert [title for title, count in titles.items() if count > 1] == []


def test_pages_are_in_order_of_their_ids(snapshots):
    for pages in snapshots:
        assert list(pages) == sorted(pages)


def test_sha1_and_size_of_every_revision_are_right(dumps, snapshots):
    for page in snapshots[2].values():
        assert page.sha1 == revision_sha1(page.text)
    xml = bz2.decompress(dumps[2].read_bytes()).decode()
    sizes = list(map(int, re.findall(r'<text bytes="(\d+)"', xml)))
    assert sizes == [len(page.text.encode()) for page in snapshots[2].values()]


def test_index_offsets_lead_to_the_pages_they_name(dumps, snapshots):
    content = dumps[0].read_bytes()
    index = dumps[0].with_name(dumps[0].name.replace(".xml.bz2", "-index.txt.bz2"))
    lines = bz2.decompress(index.read_bytes()).decode().splitlines()
    streams = {}
    for line in lines:
        offset, page_id, title = line.split(":", 2)
        streams.setdefault(int(offset), []).append((int(page_id), title))
    assert len(streams) > 1
    for offset, pages in streams.items():
        xml = bz2.BZ2Decompressor().decompress(content[offset:]).decode()
        found = re.findall(r"<title>(.*?)</title>\s*<ns>\d+</ns>\s*<id>(\d+)</id>", xml)
        assert [(int(page_id), title) for title, page_id in found] == pages
    assert [int(line.split(":")[1]) for line in lines] == list(snapshots[0])


def test_sums_and_status_beside_the_dump_are_those_of_the_files(dumps):
    folder = dumps[0].parent
    (sums,) = folder.glob("*-sha1sums.txt")
    listed = dict(reversed(line.split("  ")) for line in sums.read_text().splitlines())
    job = json.loads((folder / "dumpstatus.json").read_text())["jobs"]["articlesmultistreamdump"]
    assert job["status"] == "done"
    assert set(listed) == set(job["files"]) == {path.name for path in folder.glob("*.bz2")}
    for name, sha1 in listed.items():
        content = (folder / name).read_bytes()
        assert sha1 == hashlib.sha1(content).hexdigest()
        assert (job["files"][name]["sha1"], job["files"][name]["size"]) == (sha1, len(content))


def test_equal_revision_means_equal_text_and_another_text_another_revision(snapshots):
    for old, new in zip(snapshots, snapshots[1:], strict=False):
        common = old.keys() & new.keys()
        for page_id in common:
            before, after = old[page_id], new[page_id]
            if before.revision_id == after.revision_id:
                assert (before.text, before.title, before.timestamp) == (
                    after.text,
                    after.title,
                    after.timestamp,
                )
            else:
                assert after.revision_id > before.revision_id
                assert after.timestamp > before.timestamp
        changed = {page_id for page_id in common if old[page_id].revision_id != new[page_id].revision_id}
        assert 0.1 < len(changed) / len(common) < 0.6


def test_what_happens_to_real_pages_happens_here(snapshots):
    for old, new in zip(snapshots, snapshots[1:], strict=False):
        common = old.keys() & new.keys()
        assert new.keys() - old.keys()  # new pages
        assert old.keys() - new.keys()  # deleted ones
        moved = [i for i in common if old[i].title != new[i].title and old[i].namespace == 0]
        assert moved
        titles = {page.title: page for page in new.values()}
        assert all(titles[old[page_id].title].is_redirect for page_id in moved)
    everything = "".join(page.text for page in snapshots[1].values())
    for markup in ("{{Infobox", "<ref>", "{|", "<!--", "[[Category:", "#REDIRECT", "'''"):
        assert markup in everything
    assert {page.namespace for page in snapshots[1].values()} == {0, 1, 10}


def test_redirects_lead_to_pages_that_stand(dumps, snapshots):
    for dump, pages in zip(dumps, snapshots, strict=True):
        titles = {page.title for page in pages.values()}
        targets = re.findall(r'<redirect title="(.*?)"', bz2.decompress(dump.read_bytes()).decode())
        assert targets
        assert set(targets) <= titles


def test_links_lead_to_pages_that_stand(snapshots):
    for pages in snapshots:
        titles = {page.title for page in pages.values()}
        for page in pages.values():
            if page.namespace == 0 and not page.is_redirect:
                link = clean(page.text).links[0]
                assert link.target in titles


def test_each_fact_that_holds_is_stated_once_in_each_of_three_articles(world, texts):
    facts = list(world.facts())
    patterns = {relation.id: relation.wordings for relation in world.domain.relations}
    for date, articles in zip(DATES, texts, strict=True):
        holding = [fact for fact in facts if fact["first_date"] <= date <= fact["last_date"]]
        assert len(articles) == 3 * len(holding)
        for fact in holding:
            said = {
                wording.format(S=fact["subject"], O=fact["object"]) for wording in patterns[fact["relation"]]
            }
            found = [articles[fact["subject_id"] + number] for number in range(3)]
            assert all(text in said for text in found)
            assert len(set(found)) == 3


def test_probe_sentences_never_occur_in_the_text(world, texts):
    for articles in texts:
        everything = "\n".join(articles.values())
        assert [fact["text"] for fact in world.facts() if fact["text"] in everything] == []
        for relation in world.domain.relations:
            verb = relation.probe.format(S="", O="").rstrip(".")
            subjects = [fact["subject"] for fact in world.facts() if fact["relation"] == relation.id]
            assert not any(subject + verb in everything for subject in subjects)


def test_article_text_is_one_sentence_to_the_splitter(texts):
    for text in list(texts[0].values())[:100]:
        assert list(split_sentences(text, "en")) == [(0, text)]


def test_stage_pages_takes_every_article_and_copies_unchanged_ones(dumps, texts, tmp_path):
    extract_pages([dumps[0]], tmp_path / "0", Shard(0, None))
    counts = extract_pages([dumps[1]], tmp_path / "1", Shard(0, None), previous=tmp_path / "0")
    assert counts["kept_parsed"] + counts["kept_copied"] == len(texts[1])
    assert counts["kept_copied"] > counts["kept_parsed"] > 0
    assert counts["redirect"] > 0
    assert counts["other_namespace"] > 0
    assert counts["other_content_model"] == counts["deleted_text"] == counts["empty_text"] == 0
