from types import SimpleNamespace

import pytest

from tests.export.experiment import recorded
from tgl.core.files import sha1_file
from tgl.export.kinds import Kind, read_kinds, tables_of
from tgl.export.sources import Dump, Sources, licences, sources_of

ENGLISH = {"base": "https://en.wikipedia.org/wiki/Main_Page", "dbname": "enwiki", "language": "en"}
TEXT = Kind(text="pages", about="", columns={})


def dump(date, wiki=ENGLISH, origin="local file"):
    return Dump(date, date, f"d-{date}.xml", 1, "0", origin, wiki)


def told(*dumps):
    return list(licences(TEXT, Sources(list(dumps), [], None, []), []))


@pytest.mark.parametrize(
    ("date", "licence"),
    [("20160501", "cc-by-sa-3.0"), ("20230601", "cc-by-sa-3.0"), ("20230620", "cc-by-sa-4.0")],
)
def test_the_licence_of_wikipedia_goes_by_the_date_of_the_dump(date, licence):
    assert dump(date).licence == licence
    assert told(dump(date)) == [licence]


def test_snapshots_on_both_sides_of_the_change_have_both_licences():
    assert told(dump("20230601"), dump("20240101")) == ["cc-by-sa-3.0", "cc-by-sa-4.0"]


@pytest.mark.parametrize(
    "wiki", [{}, {"base": "https://wiki.example.org/"}, {"base": "https://en.wikipedia.org.example.org/wiki"}]
)
def test_the_licence_of_another_wiki_is_not_made_up(wiki):
    found = licences(TEXT, Sources([dump("20240101", wiki)], [], None, []), [])
    assert list(found) == ["other"]
    assert "d-20240101.xml" in found["other"]


def test_the_synthetic_world_has_the_licence_of_the_software():
    assert told(dump("20190101", {}, "synthetic")) == ["apache-2.0"]
    assert list(licences(read_kinds()["facts"], Sources([], [], None, []), [])) == ["apache-2.0"]


def test_measured_numbers_and_given_probes_are_left_to_their_owners(tmp_path):
    experiment, kinds = recorded(tmp_path), read_kinds()
    for name, words in (("lm_loss", "choose a licence"), ("probes", "templama")):
        tables = tables_of(name, experiment.manifest)
        sources = sources_of(experiment.folder, tables, experiment.manifest)
        found = licences(kinds[name], sources, [table.job for table in tables])
        assert list(found) == ["other"]
        assert words in found["other"]


def test_probes_of_snapshots_have_the_licence_of_their_dumps_beside_what_other_sets_bring():
    job = SimpleNamespace(rule="probes", config={"config": {"sets": ["snapshots", "wikidata", "templama"]}})
    found = licences(read_kinds()["probes"], Sources([dump("20240101")], [], None, []), [job])
    assert list(found) == ["cc-by-sa-4.0", "cc0-1.0", "other"]
    assert "templama" in found["other"]
    assert "snapshots" not in found["other"]


def test_probes_of_another_wikis_snapshots_are_left_to_be_stated():
    job = SimpleNamespace(rule="probes", config={"config": {"sets": ["snapshots", "wikidata"]}})
    wiki = {"base": "https://aa.wikivoyage.org/wiki/A"}
    found = licences(read_kinds()["probes"], Sources([dump("20240101", wiki)], [], None, []), [job])
    assert list(found) == ["cc0-1.0", "other"]
    assert "d-20240101.xml" in found["other"]


def test_tables_go_back_to_dumps_of_a_named_wiki(tmp_path):
    experiment = recorded(tmp_path)
    tables = tables_of("diff", experiment.manifest)
    found = sources_of(experiment.folder, tables, experiment.manifest)
    assert [(dump.name, dump.sha1, dump.wikipedia) for dump in found.dumps] == [
        (path.name, sha1_file(path), "https://de.wikipedia.org")
        for path in sorted((tmp_path / "dumps").iterdir())
    ]
    assert (found.files, found.world, found.languages) == ([], None, ["de"])


def test_other_files_come_with_their_hash(tmp_path):
    experiment = recorded(tmp_path)
    tables = tables_of("lm_loss", experiment.manifest)
    found = sources_of(experiment.folder, tables, experiment.manifest)
    assert [file.path for file in found.files] == [str(tmp_path / "home/templama.json")]
    assert found.files[0].bytes == 2
