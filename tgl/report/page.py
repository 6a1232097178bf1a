"""Render the report's pages from their templates."""

from __future__ import annotations

import math
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tgl.report.rate_table import trained_in
from tgl.train.methods import rate_text


def render(template: str, **values: object) -> str:
    """Return a page as HTML.

    Text is escaped. Templates format numbers with the filter `number` and learning rates with the filter `rate`.

    Args:
        template: File name of the template.
        **values: Variables of the template.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
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
    """Format a number with the given significant digits. None and NaN give a dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:.{digits}g}" if 1e-3 <= abs(value) < 1e4 else f"{value:.{digits - 1}e}"


def interval(low: float, high: float) -> str:
    """Format an interval as [low, high]. NaN gives a dash."""
    return "–" if math.isnan(low) else f"[{number(low)}, {number(high)}]"


def highlight(row: dict) -> Markup:
    """Return a probe's text with its span marked."""
    text, start, end = row["text"], row["span_start"], row["span_end"]
    return Markup("{}<mark>{}</mark>{}").format(text[:start], text[start:end], text[end:])
