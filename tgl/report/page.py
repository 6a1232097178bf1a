"""Render the report's pages from their templates."""

from __future__ import annotations

import html
import math
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tgl.report.rate_table import trained_in
from tgl.train.methods import rate_text

_TEMPLATES = Path(__file__).with_name("templates")
_SECTION = re.compile(r"<h2>([^<>]*)</h2>")
_FEWEST_SECTIONS = 4
_PICTURE = re.compile(r"<figure><svg([^<>]*>)(.*?</svg>\s*)<figcaption>(.*?)</figcaption>", re.DOTALL)


def render(template: str, **values: object) -> str:
    """Return a page as HTML.

    Text is escaped. Templates format numbers with the filter `number` and learning rates with the filter `rate`.

    Args:
        template: File name of the template.
        **values: Variables of the template.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
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
    environment.globals["library"] = _library
    return accessible(environment.get_template(template).render(**values))


def _library(name: str) -> Markup:
    """Return a script of this package that is no template, such as a library in one line."""
    return Markup(_TEMPLATES.joinpath(name).read_text(encoding="utf-8"))


def accessible(page: str) -> str:
    """Return a page with a list of contents, anchors, headers of columns, and texts that describe its pictures.

    The texts are the captions. A page of fewer than four sections has no contents.
    """
    titles = [title.strip() for title in _SECTION.findall(page)]
    names = iter(_anchors(titles))
    page = _SECTION.sub(lambda match: f'<h2 id="{next(names)}">{match[1]}</h2>', page)
    if len(titles) >= _FEWEST_SECTIONS:
        links = "".join(
            f'<li><a href="#{name}">{title}</a></li>'
            for name, title in zip(_anchors(titles), titles, strict=True)
        )
        page = page.replace("<h2", f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n<h2', 1)
    page = re.sub(r"<th(?=[ >])(?! scope)", '<th scope="col"', page)
    return _PICTURE.sub(_described, page)


def _anchors(titles: list[str]) -> list[str]:
    """Return a name for each title, such as `what-was-found`."""
    return [re.sub(r"[^a-z0-9]+", "-", html.unescape(title).lower()).strip("-") for title in titles]


def _described(match: re.Match) -> str:
    caption = html.escape(" ".join(html.unescape(re.sub(r"<[^<>]+>", "", match[3])).split()), quote=True)
    return f'<figure><svg role="img" aria-label="{caption}"{match[1]}{match[2]}<figcaption>{match[3]}</figcaption>'


def number(value: float, digits: int = 3) -> str:
    """Format a number with the given significant digits. None and NaN give a dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    # Above 1e15 every float is an integer.
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e15):
        return f"{int(value):,}"
    return f"{value:.{digits}g}" if 1e-3 <= abs(value) < 1e4 else f"{value:.{digits - 1}e}"


def interval(low: float, high: float) -> str:
    """Format an interval as [low, high]. NaN gives a dash."""
    return "–" if math.isnan(low) else f"[{number(low)}, {number(high)}]"


def highlight(row: dict) -> Markup:
    """Return a probe's text with its span marked."""
    text, start, end = row["text"], row["span_start"], row["span_end"]
    return Markup("{}<mark>{}</mark>{}").format(text[:start], text[start:end], text[end:])
