"""What dumps, manifests and tables say is shown in a card, and never becomes a part of it."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.export import cards
from tests.export.experiment import DATES, recorded
from tgl.core.errors import TglError
from tgl.core.tables.write import write_table
from tgl.export.hub import export_hub
from tgl.export.markdown import markdown

BASE = (
    "https://en.wikipedia.org/ | x | y |\n\n# Licence: public domain, pay to https://evil.example\n\n"
    "&lt;script&gt;alert(1)&lt;/script&gt; [click](javascript:alert(1))"
)
PLAIN = MarkdownIt("commonmark").enable("table")


def shown(text: str) -> str:
    """Return what a reader of Markdown sees of a paragraph; anything but plain text is an error."""
    inline = PLAIN.parse(f"| a |\n|---|\n| x {text} x |")[-5]
    assert {child.type for child in inline.children} <= {"text", "text_special"}, inline.children
    return "".join(child.content for child in inline.children)


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.text("|`*_[]()<>&!\\~$#- \na1:/"))
def test_any_text_is_shown_as_it_is_in_a_cell(text):
    found = shown(markdown(text))
    assert found.split() == ["x", *text.encode("utf-8").decode().split(), "x"] or not text.isprintable()


def test_the_head_of_a_dump_adds_nothing_to_header_licence_tables_and_text(tmp_path):
    hostile = recorded(tmp_path / "hostile", BASE, "en&#10;license: mit")
    plain = recorded(tmp_path / "plain", "not an address", "x")
    for experiment, name in ((hostile, "hostile"), (plain, "plain")):
        export_hub(experiment.folder, tmp_path / "hub" / name, ["pages"], say=lambda text: None)
    one, other = (tmp_path / "hub" / name / "pages" for name in ("hostile", "plain"))
    text = (one / "README.md").read_text()
    for part in (": mit", "public domain", "evil", "script>", "click"):
        assert part not in text
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["license"] == "other"
    assert head["language"] == ["de"]  # as sentences were split; the dump names no language
    assert [names for names, _ in cards.tables(one)] == [names for names, _ in cards.tables(other)]


@pytest.mark.parametrize("split", ["../../outside", "a/b", "..", "", "train\n"])
def test_a_split_that_is_no_name_is_refused_and_nothing_is_written(tmp_path, split):
    experiment = recorded(tmp_path)
    row = {"id": "1", **dict.fromkeys(("set", "kind", "period", "relation", "subject", "answer_group"), "x")}
    row |= {"text": "a b", "span_start": 2, "span_end": 3, "split": split, "candidates": [], "old_answer": ""}
    write_table([row], experiment.folder / "probes/probes.parquet", "probes")
    experiment.update(experiment.declared("probes", ["probes/probes.parquet"]))
    with pytest.raises(TglError, match="not a valid name of a dataset configuration or split"):
        export_hub(experiment.folder, tmp_path / "hub", ["probes"])
    assert not list((tmp_path / "hub").iterdir())


def test_names_of_dumps_are_shown_as_they_are(tmp_path):
    experiment = recorded(tmp_path, name="a|b](x)<i>{date}.xml")
    export_hub(experiment.folder, tmp_path / "hub", ["pages"], say=lambda text: None)
    text = (tmp_path / "hub/pages/README.md").read_text()
    for date in DATES:
        assert f"| a\\|b\\](x)&lt;i&gt;{date}.xml |" in text
    assert len(cards.tables(tmp_path / "hub/pages")) == len(
        [line for line in text.splitlines() if line.startswith("|---")]
    )
