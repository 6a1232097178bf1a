import bz2
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tgl.core.errors import TglError
from tgl.snapshots.dumps.reader import read_pages
from tgl.snapshots.dumps.revisions import revision_sha1

NAMESPACE = "http://www.mediawiki.org/xml/export-0.{}/"
REVISION = (
    "<revision><id>7</id><timestamp>2019-01-01T00:00:00Z</timestamp><model>wikitext</model>"
    '<text xml:space="preserve">Text &amp; more</text><sha1>abc</sha1></revision>'
)


def dump(*pages: str, schema: int = 11, tail: str = "</mediawiki>\n") -> bytes:
    head = f'<mediawiki xmlns="{NAMESPACE.format(schema)}"><siteinfo><sitename>x</sitename></siteinfo>'
    return (head + "".join(pages) + tail).encode()


def page(number: int, revisions: str = REVISION, title: str = "Berlin", more: str = "<ns>0</ns>") -> str:
    return f"<page><title>{title}</title>{more}<id>{number}</id>{revisions}</page>"


def read(tmp_path, content: bytes, name: str = "d.xml"):
    (tmp_path / name).write_bytes(content)
    return list(read_pages(tmp_path / name))


@pytest.mark.parametrize("schema", [9, 10, 11])
def test_every_field_of_a_page_is_read_in_every_schema(tmp_path, schema):
    (found,) = read(tmp_path, dump(page(5), schema=schema))
    assert (found.page_id, found.title, found.namespace, found.is_redirect) == (5, "Berlin", 0, False)
    assert (found.revision_id, found.timestamp) == (7, "2019-01-01T00:00:00Z")
    assert (found.model, found.sha1, found.text) == ("wikitext", "abc", "Text & more")


def test_all_streams_of_a_multistream_file_are_read(tmp_path):
    whole = dump(*(page(number) for number in range(1, 200)))
    cuts = [0, 50, 51, len(whole) // 2, len(whole)]
    packed = b"".join(bz2.compress(whole[a:b]) for a, b in zip(cuts, cuts[1:], strict=False))
    assert [found.page_id for found in read(tmp_path, packed, "d.xml.bz2")] == list(range(1, 200))


def test_pages_larger_than_the_read_buffer_stay_whole(tmp_path):
    text = "Größe 3.5 " * 300_000
    revision = f"<revision><id>1</id><text>{text}</text></revision>"
    first, second = read(tmp_path, dump(page(1, revision), page(2)))
    assert first.text == text
    assert second.text == "Text & more"


@pytest.mark.parametrize("tail", ["</mediawiki>\\n", "</mediawiki>\n<more/>", "</mediawiki>\0\0"])
def test_junk_after_the_root_is_ignored(tmp_path, tail):
    assert len(read(tmp_path, dump(page(1), page(2), tail=tail))) == 2


def test_junk_far_behind_the_root_is_ignored(tmp_path):
    assert len(read(tmp_path, dump(page(1), tail="</mediawiki>" + " " * 3_000_000 + "junk"))) == 1


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("name", ["d.xml", "d.xml.bz2"])
def test_file_cut_off_anywhere_is_an_error(tmp_path, keep, name):
    content = dump(*(page(number) for number in range(50)))
    if name.endswith("bz2"):
        content = bz2.compress(content)
    with pytest.raises(TglError, match=re.escape(name)):
        read(tmp_path, content[: int(len(content) * keep)], name)


def test_pages_before_the_cut_come_before_the_error(tmp_path):
    (tmp_path / "d.xml").write_bytes(dump(page(1), page(2), tail=""))
    pages = read_pages(tmp_path / "d.xml")
    assert [next(pages).page_id, next(pages).page_id] == [1, 2]
    with pytest.raises(TglError, match="cut off"):
        next(pages)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("d.xml", b"<html></html>", "<html>, expected <mediawiki>"),
        ("d.xml", b"not xml at all", "not well-formed"),
        ("d.xml", dump("<page><title>Berlin</title></page>"), "'Berlin' has no id or no revision"),
        ("d.xml", dump(page(1, "")), "'Berlin' has no id or no revision"),
        ("d.xml", dump(page("one")), "Berlin"),
        ("d.xml", dump(page(1, "<revision><id></id><text>a</text></revision>")), "Berlin"),
        ("d.xml", dump(page("9" * 19)), "'Berlin': found the ids"),
        ("d.xml", dump(page("-1")), "'Berlin': found the ids"),
        ("d.xml", dump(page("9" * 5000)), "'Berlin': Exceeds the limit"),
        (
            "d.xml",
            dump(page(1, REVISION.replace("more", "<b>more</b>"))),
            "'Berlin': found XML elements inside <text>",
        ),
        ("d.xml", b"<!DOCTYPE mediawiki>" + dump(page(1)), "found a DOCTYPE"),
        ("d.xml", dump("<page></mediawiki>"), "not well-formed"),
        ("d.xml.bz2", b"no bzip2 here", "cannot be decompressed"),
        ("d.xml.gz", b"", "expected .xml, .xml.bz2 or .xml.7z"),
    ],
)
def test_what_is_no_dump_is_an_error_that_names_the_file(tmp_path, name, content, words):
    with pytest.raises(TglError, match=re.escape(words)) as caught:
        read(tmp_path, content, name)
    assert str(tmp_path / name) in str(caught.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(TglError, match="no such dump file"):
        list(read_pages(tmp_path / "gone.xml"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<text></text>", ""),
        ("<text />", ""),
        ("", None),
        ('<text deleted="deleted" />', None),
    ],
)
def test_empty_and_missing_text_differ(tmp_path, text, expected):
    (found,) = read(tmp_path, dump(page(1, f"<revision><id>1</id>{text}</revision>")))
    assert found.text == expected


def test_last_revision_of_a_history_counts(tmp_path):
    revisions = "".join(f"<revision><id>{n}</id><text>v{n}</text></revision>" for n in (1, 2, 3))
    (found,) = read(tmp_path, dump(page(1, revisions)))
    assert (found.revision_id, found.text) == (3, "v3")


@pytest.mark.parametrize("before", ["<timestamp>", "<model>", "<text", "<sha1>", "</revision>"])
def test_further_content_slots_do_not_replace_the_text(tmp_path, before):
    slots = "".join(
        f"<content><role>{role}</role><model>json</model><text>{{}}</text><sha1>x</sha1></content>"
        for role in ("mediainfo", "other")
    )
    (found,) = read(tmp_path, dump(page(1, REVISION.replace(before, slots + before))))
    assert (found.revision_id, found.sha1) == (7, "abc")
    assert (found.model, found.text) == ("wikitext", "Text & more")


def test_earlier_revisions_larger_than_the_buffer_do_not_replace_the_last(tmp_path):
    texts = [letter * 700_000 for letter in "abcd"]
    revisions = "".join(
        f"<revision><id>{n}</id><text>{text}</text></revision>" for n, text in enumerate(texts)
    )
    first, second = read(tmp_path, dump(page(1, revisions), page(2)))
    assert (first.title, first.page_id, first.revision_id, first.text) == ("Berlin", 1, 3, texts[-1])
    assert second.text == "Text & more"


def test_comments_do_not_cut_the_text_short(tmp_path):
    (found,) = read(tmp_path, dump(page(1, REVISION.replace("more", "m<!-- no -->o<?no?>re"))))
    assert found.text == "Text & more"


def test_only_the_root_ends_the_dump(tmp_path):
    content = dump(page(1), "<siteinfo><mediawiki></mediawiki><page/></siteinfo>", page(2))
    assert [found.page_id for found in read(tmp_path, content)] == [1, 2]


def test_elements_of_an_undeclared_namespace_are_passed_over(tmp_path):
    assert [found.page_id for found in read(tmp_path, dump("<x:y/>", page(1, more="<ns>0</ns><x:y/>")))] == [
        1
    ]


def test_redirect_is_told_by_its_element_and_not_by_its_text(tmp_path):
    redirect = "<revision><id>1</id><text>#WEITERLEITUNG [[x]]</text></revision>"
    first, second = read(
        tmp_path, dump(page(1, redirect, more='<ns>0</ns><redirect title="x" />'), page(2, redirect))
    )
    assert (first.is_redirect, second.is_redirect) == (True, False)


@pytest.mark.parametrize(("title", "number"), [("Talk:Berlin", 1), ("Berlin: a city", 0), ("Template:X", 10)])
def test_namespace_missing_in_old_exports_is_taken_from_the_title(tmp_path, title, number):
    (found,) = read(tmp_path, dump(page(1, title=title, more=""), schema=9))
    assert found.namespace == number


GERMAN = (
    '<namespaces><namespace key="0" /><namespace key="1">Diskussion</namespace>'
    '<namespace key="100">Portal</namespace></namespaces>'
)


@pytest.mark.parametrize(
    ("title", "number"),
    [
        ("Diskussion:Berlin", 1),
        ("Portal:Berlin", 100),
        ("Talk:Berlin", 0),
        ("Berlin: Stadt", 0),
        ("Berlin", 0),
    ],
)
def test_namespace_missing_in_old_exports_goes_by_the_names_in_the_dump_s_head(tmp_path, title, number):
    content = dump(page(1, title=title, more=""), schema=9).replace(
        b"</siteinfo>", f"{GERMAN}</siteinfo>".encode()
    )
    (found,) = read(tmp_path, content)
    assert found.namespace == number


def test_names_in_the_head_hold_for_the_streams_behind_it(tmp_path):
    head = f"<mediawiki><siteinfo>{GERMAN}</siteinfo>"
    pages = [page(number, title=f"Diskussion:{number}", more="") for number in range(1, 9)]
    path = tmp_path / "d.xml.bz2"
    path.write_bytes(b"".join(bz2.compress(text.encode()) for text in [head, *pages, "</mediawiki>"]))
    assert [(found.page_id, found.namespace) for found in read_pages(path, 6, 7)] == [(6, 1), (7, 1)]


def test_entities_of_a_hostile_file_are_not_resolved(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("password")
    head = f'<!DOCTYPE m [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    content = head.encode() + dump(page(1, "<revision><id>1</id><text>a&x;</text></revision>"))
    try:
        texts = [found.text for found in read(tmp_path, content)]
    except TglError:
        texts = []
    assert all("password" not in (text or "") for text in texts)


def test_sha1_and_bytes_that_do_not_match_the_text_are_no_error(tmp_path):
    revision = REVISION.replace("<text", '<text bytes="999" sha1="abc"')
    (found,) = read(tmp_path, dump(page(1, revision)))
    assert found.sha1 == "abc" != revision_sha1(found.text)
    assert found.text == "Text & more"


def test_deleted_comments_and_authors_do_not_lose_the_page(tmp_path):
    gone = '<contributor deleted="deleted" /><comment deleted="deleted" /><text'
    (found,) = read(tmp_path, dump(page(1, REVISION.replace("<text", gone))))
    assert found.text == "Text & more"


def test_sha1_is_written_as_mediawiki_writes_it():
    assert revision_sha1("") == "phoiac9h4m842xq45sp7s6u21eteeq1"  # of the empty text, in every dump
    assert len(revision_sha1("Größe")) == 31


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
def test_memory_does_not_grow_with_the_dump(tmp_path):
    text = "<revision><id>1</id><text>" + "x" * 100_000 + "</text></revision>"
    (tmp_path / "d.xml").write_bytes(dump(*(page(number, text) for number in range(1, 801))))
    # ru_maxrss would be the parent's: a process keeps it when it becomes another program.
    count = (
        "import re, sys\n"
        "from tgl.snapshots.dumps.reader import read_pages\n"
        r"peak = lambda: int(re.search(r'VmHWM:\s*(\d+) kB', open('/proc/self/status').read())[1])"
        "\n"
        "before = peak()\n"
        "print(sum(1 for _ in read_pages(sys.argv[1])), peak() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", count, str(tmp_path / "d.xml")], capture_output=True, text=True, check=True
    )
    pages, grown = map(int, done.stdout.split())
    assert pages == 800
    assert grown * 1024 < 40_000_000  # of 80 million read
