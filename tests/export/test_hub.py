import re
import shutil

import pytest
from typer.testing import CliRunner

import tgl.export.hub as hub_module
from tests.export import cards
from tests.export.experiment import DATES, recorded
from tests.export.loading import check_loads
from tgl.cli import app
from tgl.core.errors import TglError
from tgl.core.tables.read import read_table
from tgl.core.tables.write import write_table
from tgl.export.hub import export_hub
from tgl.snapshots.extract.pages import REASONS

PERIOD = f"{DATES[0]}_{DATES[1]}"
NAMES = ["pages", "diff", "probes", "lm_loss"]


@pytest.fixture
def experiment(tmp_path):
    return recorded(tmp_path)


@pytest.fixture
def exported(experiment, tmp_path):
    said = []
    folders = export_hub(experiment.folder, tmp_path / "hub", say=said.append)
    assert folders == [tmp_path / "hub" / name for name in NAMES]
    assert said[-1] == "drift: skipped, because its tables have no rows"
    return tmp_path / "hub"


def table_rows(experiment, name, *paths):
    return [row for path in paths for row in read_table(experiment.folder / path, name).to_pylist()]


def test_rows_of_every_dataset_are_those_of_the_tables(experiment, exported, tmp_path, monkeypatch):
    probes = table_rows(experiment, "probes", "probes/probes.parquet")
    expected = {
        "pages": {
            date: {"train": table_rows(experiment, "pages", *(f"snapshots/{date}/pages/{n}.parquet" for n in (0, 1)))}
            for date in DATES
        },
        "diff": {PERIOD: {"train": table_rows(experiment, "diff", *(f"diff/{PERIOD}/{n}.parquet" for n in (0, 1)))}},
        "probes": {
            "default": {s: [row for row in probes if row["split"] == s] for s in ("validation", "test")}
        },
        "lm_loss": {
            f"tiny--{m}--seed0": {"train": table_rows(experiment, "lm_loss", f"scores/tiny/{m}/seed0/lm_loss.parquet")}
            for m in ("base", "full-plain-lr0.003")
        },
    }  # fmt: skip
    assert any(row["links"] for row in expected["pages"][DATES[0]]["train"])
    for name in NAMES:
        check_loads(exported / name, expected[name], tmp_path / "cache", monkeypatch)


def test_without_a_configuration_the_first_is_loaded(exported, tmp_path):
    import datasets

    rows = datasets.load_dataset(str(exported / "pages"), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(rows) == 9


def test_shards_are_numbered_files_of_one_split(exported):
    found = sorted(path.name for path in (exported / "pages" / "data" / DATES[0]).iterdir())
    assert found == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]


def test_row_numbers_of_the_card_are_those_of_the_files(exported):
    for name in NAMES:
        listed = cards.rows(exported / name)
        for row in listed:
            assert read_table(exported / name / row["file"], name).num_rows == int(row["rows"])
        files = {
            path.relative_to(exported / name).as_posix() for path in (exported / name).rglob("*.parquet")
        }
        assert files == {row["file"] for row in listed}
        total = sum(int(row["rows"]) for row in listed)
        assert f"\n{total} rows.\n" in (exported / name / "README.md").read_text()


def test_counts_of_the_card_are_the_shards_added_up(exported):
    counts = cards.counts(exported / "pages")
    assert list(counts) == list(DATES)
    for date, number in zip(DATES, (9, 11), strict=True):
        assert counts[date]["pages_read"] == number + 2
        assert counts[date]["pages_read"] == sum(counts[date][reason] for reason in REASONS)
        assert (counts[date]["redirect"], counts[date]["other_namespace"]) == (1, 1)
        assert number == sum(
            int(row["rows"]) for row in cards.rows(exported / "pages") if row["configuration"] == date
        )
    (diff,) = cards.counts(exported / "diff").values()
    assert (
        diff["pages"] == 11 == diff["new_page"] + diff["changed"] + diff["same_revision"] + diff["same_text"]
    )
    assert cards.counts(exported / "lm_loss") == {}


def test_header_says_licence_language_and_size(exported):
    head = cards.header(exported / "pages")
    assert (head["license"], head["language"]) == (["cc-by-sa-3.0", "cc-by-sa-4.0"], ["de"])
    assert head["size_categories"] == ["n<1K"]
    assert [config["config_name"] for config in head["configs"]] == list(DATES)
    assert cards.header(exported / "lm_loss")["license"] == "other"


def test_card_names_the_dumps_and_where_authors_are_named(exported):
    text = (exported / "pages" / "README.md").read_text()
    assert "https://de.wikipedia.org/w/index.php?curid=PAGE_ID&action=history" in text
    assert all(f"| dewiki-{date}.xml | https://de.wikipedia.org/wiki/Hauptseite |" in text for date in DATES)


def test_card_has_the_settings_of_the_stage(exported):
    assert ["pages", "drop_sections", '["References", "See | also"]', "all"] in cards.settings(
        exported / "pages"
    )
    assert ["diff", "diff_rule", "tgl", "all"] in cards.settings(exported / "diff")
    assert ["train", "seed", "0", "tiny--base--seed0"] in cards.settings(exported / "lm_loss")


def test_no_card_says_where_files_lie_on_this_machine(exported, tmp_path):
    for name in NAMES:
        assert str(tmp_path) not in (exported / name / "README.md").read_text()
    told = cards.settings(exported / "probes")
    assert ["probes", "templama.file", "templama.json", "all"] in told
    assert ["probes", "ecbd.files", '["templama.json"]', "all"] in told


def test_an_empty_shard_has_no_file_and_stands_in_the_card(experiment, tmp_path, monkeypatch):
    path = "snapshots/20220101/pages/1.parquet"
    write_table([], experiment.folder / path, "pages", counts=dict.fromkeys(("pages_read", *REASONS), 0))
    experiment.update(experiment.declared("pages", [path]))
    export_hub(experiment.folder, tmp_path / "hub", ["pages"])
    listed = cards.rows(tmp_path / "hub/pages")
    assert [row["file"] for row in listed if row["rows"] == "0"] == ["none"]
    paths = {d: [f"snapshots/{d}/pages/{n}.parquet" for n in (0, 1)] for d in DATES}
    whole = {
        d: {"train": [r for path in paths[d] for r in table_rows(experiment, "pages", path)]} for d in DATES
    }
    check_loads(tmp_path / "hub/pages", whole, tmp_path / "cache", monkeypatch)


def test_a_folder_that_is_there_is_refused_before_anything_is_written(experiment, tmp_path):
    mine = tmp_path / "hub/probes/README.md"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(TglError, match=r"hub/probes: exists already\. Remove it, or pass another folder"):
        export_hub(experiment.folder, tmp_path / "hub")
    assert [path.name for path in (tmp_path / "hub").iterdir()] == ["probes"]
    assert mine.read_text() == "mine"


def test_single_kinds_can_be_asked_for(experiment, tmp_path):
    assert export_hub(experiment.folder, tmp_path, ["probes"]) == [tmp_path / "probes"]
    with pytest.raises(TglError, match=re.escape("lists no table 'page' (did you mean 'pages'?)")):
        export_hub(experiment.folder, tmp_path / "hub", ["page"])


def damaged(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def other_table(path):
    write_table([], path, "files")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (damaged, "expected by the manifest. The file is damaged"),
        (other_table, "expected by the manifest. The file is damaged"),
        (lambda path: path.unlink(), "no such file, but the manifest lists it. Run `tgl verify"),
    ],
)
def test_a_table_that_is_not_what_the_manifest_says_is_refused_and_nothing_is_written(
    experiment, tmp_path, harm, words
):
    path = experiment.folder / "snapshots/20240101/pages/1.parquet"
    harm(path)
    with pytest.raises(TglError, match=words) as caught:
        export_hub(experiment.folder, tmp_path / "hub")
    assert str(path) in str(caught.value)
    assert not (tmp_path / "hub").exists()


def test_another_table_under_a_name_the_manifest_knows_is_refused(experiment, tmp_path):
    path = experiment.folder / "probes/probes.parquet"
    other_table(path)
    experiment.update(experiment.declared("probes", ["probes/probes.parquet"]))
    with pytest.raises(TglError, match="not a 'probes' table"):
        export_hub(experiment.folder, tmp_path / "hub", ["probes"])


def test_results_without_a_manifest_are_refused(experiment, tmp_path):
    (experiment.folder / "manifest.json").unlink()
    done = CliRunner().invoke(app, ["export", str(experiment.folder), "--hub-layout", str(tmp_path / "hub")])
    assert done.exit_code == 1
    assert "manifest.json: no such file. The workflow writes it" in done.stderr


def test_a_manifest_without_tables_is_refused(experiment, tmp_path):
    shutil.rmtree(experiment.folder)
    experiment.write("report/index.html", "page")
    experiment.update(experiment.declared("report", ["report/index.html"]))
    with pytest.raises(TglError, match="lists no table that can be exported"):
        export_hub(experiment.folder, tmp_path / "hub")


def test_an_export_that_fails_leaves_nothing(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(hub_module, "card", lambda *facts, **more: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_hub(experiment.folder, tmp_path / "hub")
    assert list((tmp_path / "hub").iterdir()) == []


def test_tables_the_manifest_does_not_know_are_said_and_left_out(experiment, tmp_path):
    path = "snapshots/20190101/pages/0.parquet"
    (experiment.folder / path).parent.mkdir(parents=True)
    shutil.copy(experiment.folder / "snapshots/20220101/pages/0.parquet", experiment.folder / path)
    said = []
    export_hub(experiment.folder, tmp_path / "hub", ["pages"], say=said.append)
    assert said[0] == f"{experiment.folder / path}: skipped, because it is not in the manifest"
    assert {row["configuration"] for row in cards.rows(tmp_path / "hub/pages")} == set(DATES)


def test_command_writes_what_was_asked_for(experiment, tmp_path):
    arguments = ["export", str(experiment.folder), "--hub-layout", str(tmp_path / "hub")]
    done = CliRunner().invoke(app, [*arguments, "--table", "diff", "--table", "probes"])
    assert (done.exit_code, sorted(path.name for path in (tmp_path / "hub").iterdir())) == (
        0,
        ["diff", "probes"],
    )
    assert f"{tmp_path / 'hub/diff'}: 2 tables, 7 rows" in done.stdout
