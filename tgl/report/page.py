"""The report's pages from their templates."""

from __future__ import annotations

import math
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tgl.plans.names import rate_text
from tgl.report.rate_table import trained_in


def render(template: str, **values: object) -> str:
    """Return a page; text is escaped, numbers go through the filter `number`, learning
    rates through `rate`."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "rate": lambda value: number(value) if math.isnan(value) else rate_text(value),
        "interval": interval,
        "highlight": highlight,
        "trained_in": trained_in,
        "exp": math.exp,
        "svg": Markup,
    }
    environment.tests["startswith"] = str.startswith
    return environment.get_template(template).render(**values)


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits; a dash for none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:.{digits}g}" if 1e-3 <= abs(value) < 1e4 else f"{value:.{digits - 1}e}"


def interval(low: float, high: float) -> str:
    """Return [low, high], or a dash where there is no interval."""
    return "–" if math.isnan(low) else f"[{number(low)}, {number(high)}]"


def highlight(row: dict) -> Markup:
    """Return a probe's text with its span marked."""
    text, start, end = row["text"], row["span_start"], row["span_end"]
    return Markup("{}<mark>{}</mark>{}").format(text[:start], text[start:end], text[end:])
