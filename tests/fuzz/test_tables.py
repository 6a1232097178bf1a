"""A Parquet table that was cut off or in which bits were turned over is read as it was written, or refused."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import cases, damaged, refused_or
from tgl.core.tables.read import iter_rows, read_about, read_counts, read_table
from tgl.core.tables.write import write_table

PAGES = [
    {"page_id": number, "title": f"Größe {number}", "revision_id": 5, "timestamp": "", "sha1": "", "text": "a b " * 9,
     "links": [{"target": "City", "start": 0, "end": 1}] * (number % 3), "sections": [], "given_up": ""}
    for number in range(9)
]  # fmt: skip
LOSSES = [{"checkpoint": "base", "text": "held_out", "num_tokens": 7, "negative_log_likelihood": 1.5}] * 4
TABLES = {"pages": PAGES, "lm_loss": LOSSES}


@cases(0.04)
@given(st.sampled_from(sorted(TABLES)), st.data())
def test_a_damaged_table_gives_rows_of_its_schema_or_an_error_with_its_file(folder, name, data):
    whole, path = folder / f"{name}.whole", folder / f"{name}.parquet"
    if not whole.exists():
        write_table(TABLES[name], whole, name, counts={"kept": 9}, about={"model": "tiny"})
    path.write_bytes(data.draw(damaged(whole.read_bytes())))
    found = refused_or(lambda: read_table(path, name).to_pylist(), path)
    columns = list(TABLES[name][0])
    assert refused_or(lambda: list(iter_rows(path, name, columns)), path) == found
    refused_or(lambda: read_counts(path), path)
    refused_or(lambda: read_about(path), path)
    assert found is None or all(set(row) == set(TABLES[name][0]) for row in found)
