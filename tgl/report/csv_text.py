"""Write tables as CSV in which a spreadsheet does not take any text for a formula."""

from __future__ import annotations

import re

import pandas as pd

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
