"""JSON lines of plain text: wrong types, huge ids, odd characters, damaged and packed files."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import cases, changed, json_files, json_values, refused_or
from tgl.core.tables.read import read_table
from tgl.text.base_text import write_base_text

GOOD = {"id": 5, "title": "Berlin", "text": "Berlin is a city."}


@cases(0.04)
@given(
    json_files(st.one_of(st.just(GOOD), changed(GOOD), json_values), suffixes=(".jsonl", ".jsonl.xz")),
    st.none() | st.integers(1, 40),
)
def test_lines_become_pages_or_are_refused_with_their_file(folder, file, most):
    suffix, content = file
    path, output = folder / f"t{suffix}", folder / "pages.parquet"
    path.write_bytes(content)
    output.unlink(missing_ok=True)
    refused_or(lambda: write_base_text(path, output, most), path)
    if output.exists():
        for row in read_table(output, "pages").to_pylist():
            assert row["page_id"] >= 0
            assert row["text"].strip()
