"""What a .7z archive holds comes in pieces; a bad one is an error that names it, and no thread is left behind."""

import threading
import time
import tracemalloc

import py7zr
import pytest

from tgl.core.errors import TglError
from tgl.snapshots.dumps.reader import read_histories, read_pages
from tgl.snapshots.dumps.seven_zip import seven_zip_pieces

PAGE = "<page><title>P</title><ns>0</ns><id>{}</id><revision><id>1</id><text>{}</text></revision></page>"


def dump(num_pages=2000, text="Größe "):
    pages = "".join(PAGE.format(n, f"{n * 7919 % 1000} {text}" * 20) for n in range(num_pages))
    return f"<mediawiki>{pages}</mediawiki>".encode()


def pack(path, files=None, **options):
    with py7zr.SevenZipFile(path, "w", **options) as archive:
        for name, content in (files or {"h.xml": dump()}).items():
            archive.writestr(content, name)
    return path


STORED = [{"id": py7zr.FILTER_COPY}]


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("7z")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert threads() == []


@pytest.mark.parametrize(
    "filters",
    [
        None,
        [{"id": py7zr.FILTER_LZMA, "preset": 1}],
        [{"id": py7zr.FILTER_BZIP2}],
        [{"id": py7zr.FILTER_PPMD, "order": 6, "mem": 24}],
        STORED,
    ],
    ids=["LZMA2", "LZMA", "bzip2", "PPMd", "stored"],
)
def test_content_comes_whole_and_in_pieces_as_large_as_asked_for(tmp_path, filters):
    content = dump()
    pieces = list(seven_zip_pieces(pack(tmp_path / "h.7z", {"h.xml": content}, filters=filters), 1000))
    assert b"".join(pieces) == content
    assert {len(piece) for piece in pieces[:-1]} == {1000}
    assert 1 <= len(pieces[-1]) <= 1000


def test_pages_of_an_archive_are_read_as_of_any_dump(tmp_path):
    path = pack(tmp_path / "h.xml.7z")
    assert [page.page_id for page in read_pages(path)] == list(range(2000))
    assert [page.page_id for page in read_pages(path, 7, 9)] == [7, 8, 9]


@pytest.mark.parametrize("reader", [read_pages, read_histories])
def test_the_thread_ends_when_nobody_reads_on(tmp_path, reader):
    found = reader(pack(tmp_path / "h.xml.7z", {"h.xml": dump(20_000)}, filters=STORED))
    next(found)
    assert len(threads()) == 1
    found.close()
    assert threads() == []


def test_the_thread_ends_when_the_reader_fails(tmp_path):
    path = pack(tmp_path / "h.xml.7z", {"h.xml": b"<mediawiki></page>" + dump()}, filters=STORED)
    with pytest.raises(TglError, match=r"h\.xml\.7z: not well-formed"):
        list(read_pages(path))
    assert threads() == []


def test_decompression_waits_for_the_reader(tmp_path):
    pieces = seven_zip_pieces(pack(tmp_path / "h.7z", {"h.xml": b"x" * 1_000_000}), 1000)
    next(pieces)
    (thread,) = threads()
    time.sleep(0.2)
    assert thread.is_alive()  # of a thousand pieces it has put two
    assert sum(map(len, pieces)) == 999_000


def test_memory_holds_a_few_pieces_and_not_the_content(tmp_path):
    peaks = []
    for megabytes in (1, 2, 20):  # the first one pays for the imports
        path = pack(tmp_path / f"{megabytes}.7z", {"h.xml": b"x" * (megabytes << 20)}, filters=STORED)
        tracemalloc.start()
        assert sum(map(len, seven_zip_pieces(path, 100_000))) == megabytes << 20
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.5 * peaks[1]


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.3, 0.999])
def test_archive_cut_off_anywhere_is_an_error(tmp_path, keep):
    path = pack(tmp_path / "h.xml.7z")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(TglError, match=r"h\.xml\.7z: cannot be decompressed .*damaged or cut off"):
        list(read_pages(path))


@pytest.mark.parametrize("filters", [None, STORED], ids=["LZMA2", "stored"])
@pytest.mark.parametrize("share", [0.0, 0.002, 0.1, 0.5, 0.9, 0.999])
def test_one_changed_byte_anywhere_is_an_error(tmp_path, filters, share):
    path = pack(tmp_path / "h.xml.7z", filters=filters)
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 2
    path.write_bytes(content)
    with pytest.raises(TglError, match=r"h\.xml\.7z: "):
        list(read_pages(path))


@pytest.mark.parametrize("options", [{}, {"header_encryption": True}], ids=["content", "names too"])
def test_encrypted_archive_is_refused(tmp_path, options):
    path = pack(tmp_path / "h.xml.7z", password="secret", **options)
    with pytest.raises(TglError, match=r"h\.xml\.7z: the archive is encrypted"):
        list(read_pages(path))


@pytest.mark.parametrize("files", [{"a.xml": dump(2), "b.xml": dump(2)}, {}], ids=["two", "none"])
def test_archive_of_another_number_of_files_is_refused(tmp_path, files):
    path = tmp_path / "h.xml.7z"
    with py7zr.SevenZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(content, name)
    with pytest.raises(TglError, match=r"h\.xml\.7z: "):
        list(read_pages(path))


@pytest.mark.parametrize("content", [b"", b"no archive", b"7z\xbc\xaf\x27\x1c" + bytes(100)])
def test_what_is_no_archive_is_an_error(tmp_path, content):
    (tmp_path / "h.xml.7z").write_bytes(content)
    with pytest.raises(TglError, match=r"h\.xml\.7z: cannot be decompressed"):
        list(read_pages(tmp_path / "h.xml.7z"))
