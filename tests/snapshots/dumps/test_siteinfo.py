import bz2

import pytest

from tgl.core.errors import TglError
from tgl.snapshots.dumps.siteinfo import Siteinfo, read_siteinfo

GERMAN = (
    '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" xml:lang="de"><siteinfo>'
    "<sitename>Wikipedia</sitename><dbname>dewiki</dbname><base>https://de.wikipedia.org/wiki/W</base><namespaces>"
    '<namespace key="-2" case="first-letter">Medium</namespace><namespace key="0" case="first-letter" />'
    '<namespace key="1">Diskussion</namespace><namespace key="6">Datei</namespace>'
    '<namespace key="14">Kategorie</namespace></namespaces></siteinfo>'
)


@pytest.mark.parametrize("name", ["d.xml", "d.xml.bz2"])
def test_head_of_a_dump_says_which_wiki_it_is_of(tmp_path, name):
    content = (GERMAN + "<page/></mediawiki>").encode()
    (tmp_path / name).write_bytes(bz2.compress(content) if name.endswith("bz2") else content)
    found = read_siteinfo(tmp_path / name)
    assert found.wiki == {
        "sitename": "Wikipedia", "dbname": "dewiki", "base": "https://de.wikipedia.org/wiki/W", "language": "de"
    }  # fmt: skip
    assert found.namespaces == {"Medium": -2, "Diskussion": 1, "Datei": 6, "Kategorie": 14}
    assert found.dropped_links == ["Datei", "Kategorie", "Medium"]


@pytest.mark.parametrize(
    "content",
    [
        "<mediawiki><page/></mediawiki>",
        "<mediawiki><page><siteinfo><dbname>x</dbname></siteinfo></page></mediawiki>",
        "<mediawiki><siteinfo><dbname>x</dbname>",
        "no dump",
        "",
    ],
)
def test_a_dump_without_a_head_says_nothing(tmp_path, content):
    (tmp_path / "d.xml").write_text(content)
    assert read_siteinfo(tmp_path / "d.xml") == Siteinfo()


def test_namespaces_without_a_number_or_name_are_passed_over(tmp_path):
    spaces = "".join(
        f'<namespace key="{key}">N{key}</namespace>' for key in ("x", "", "1.5", "--2", "9" * 5000, "4")
    )
    head = (
        f"<mediawiki><siteinfo><namespaces>{spaces}<namespace key='7'/></namespaces></siteinfo></mediawiki>"
    )
    (tmp_path / "d.xml").write_text(head)
    assert read_siteinfo(tmp_path / "d.xml").namespaces == {"N4": 4}


def test_a_file_that_was_replaced_is_read_again(tmp_path):
    for language in ("de", "fr"):
        (tmp_path / "d.xml").write_text(f'<mediawiki xml:lang="{language}"><siteinfo/></mediawiki>')
        assert read_siteinfo(tmp_path / "d.xml").language == language


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "d.xml.bz2").write_bytes(b"no bzip2")
    with pytest.raises(TglError, match=r"d\.xml\.bz2: cannot be decompressed"):
        read_siteinfo(tmp_path / "d.xml.bz2")
    with pytest.raises(TglError, match="no such dump file"):
        read_siteinfo(tmp_path / "gone.xml")


# language, names of links that are dropped
REAL = {
    "aawiki/aawiki-20260101-pages-meta-current": ("aa", ["Category", "File", "Media"]),
    "enwiki-2016/enwiki-20160501-fragment-pages-articles-multistream": ("en", ["Category", "File", "Media"]),
    "ltgwiki/ltgwiki-2017-pages-articles": ("ltg", ["Fails", "Kategoreja", "Medeja"]),
}


@pytest.mark.parametrize("name", REAL)
def test_head_of_a_real_dump_names_its_wiki(data_root, name):
    found = read_siteinfo(data_root / f"dumps/{name}.xml.bz2")
    language, names = REAL[name]
    assert (found.language, found.dropped_links) == (language, names)
    assert found.base.startswith(f"https://{language}.wikipedia.org/wiki/")
