"""Write tables as CSV in which a spreadsheet does not take any text for a formula, and read them."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tgl.core.errors import TglError
from tgl.core.files import check_file, how_to_mend
from tgl.core.terminal import printable
from tgl.train.methods import rate_text

_FORMULA = re.compile(r"\s*[=+\-@]|\t")


def csv_text(table: pd.DataFrame) -> str:
    """Return a table as CSV text.

    Numbers have ten significant digits. Learning rates (column `rate`) keep all their digits. Text that a spreadsheet
    would run as a formula starts with an apostrophe.
    """
    if "rate" in table:
        table = table.assign(rate=table["rate"].map(rate_text, na_action="ignore"))
    safe = table.apply(lambda column: column if pd.api.types.is_numeric_dtype(column) else column.map(_safe))
    safe.columns = [_safe(name) for name in safe.columns]
    return safe.to_csv(index=False, float_format="%.10g", lineterminator="\n")


def _safe(value: object) -> object:
    if not isinstance(value, str):
        return value
    shown = printable(value)  # A carriage return would end the row.
    return f"'{shown}" if _FORMULA.match(shown) and not _is_number(shown) else shown


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_csv_table(path: Path, needed: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV table of a report and check its columns. A table without columns gives an empty frame.

    Raises:
        TglError: The file is missing, is no CSV table or lacks a needed column.
    """
    check_file(path, f"the table {path.stem} of a report")
    try:
        text = path.read_text(encoding="utf-8")
        table = (
            pd.read_csv(io.StringIO(text), float_precision="round_trip") if text.strip() else pd.DataFrame()
        )
    except (OSError, ValueError) as error:  # The errors that pandas raises are subclasses of ValueError.
        raise TglError(f"{path}: not a readable CSV table ({error}). {how_to_mend(path)}") from None
    if "verdict" in table:
        table["verdict"] = table["verdict"].fillna("")  # pandas reads an empty text as a missing value
    missing = [column for column in needed if column not in table.columns]
    if missing and len(table.columns):
        raise TglError(
            f"{path}: has no column '{missing[0]}', expected {', '.join(needed)}. {how_to_mend(path)}"
        )
    return table
