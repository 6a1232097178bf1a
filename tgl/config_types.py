"""What the sections of the configuration are built of: strict sections, numbers in bounds, names, dates and paths.

The options of the subcommands are of the same types (`tgl.cli.app.checked`).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

from tgl.errors import TglError, nearest
from tgl.languages import LANGUAGES, is_known_language
from tgl.plans.names import parse_method, parse_plan

# A name becomes a folder, and other names are made of it: a file system takes 255 bytes.
_LONGEST_NAME, _LONGEST_PATH = 100, 1000
# File names that Windows keeps for devices, whatever ends them.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
MOST_SEED = 2**32 - 1
# Context of a validation whose caller asks for `all_problems` afterwards.
COLLECTED = "problems are collected"


def number(value: object) -> object:
    """Return the number that text of one stands for; anything else as it is."""
    # YAML 1.1 reads 3e-3, which has no dot, as text; Snakemake's --config reads every nested number as text.
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]+", value):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", value):
        return float(value)
    return value


def _flag(value: object) -> object:
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def _date(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _is_date(value: str) -> str:
    if not re.fullmatch(r"[0-9]{8}", value):
        raise ValueError(f"'{value}' is not a date YYYYMMDD")
    try:
        datetime.date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        raise ValueError(f"'{value}' is not a date YYYYMMDD: the calendar has no such day") from None
    return value


def _rises(dates: list[str]) -> list[str]:
    if any(later <= earlier for earlier, later in zip(dates, dates[1:], strict=False)):
        raise ValueError(f"{dates} must rise from one date to the next")
    return dates


def _is_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value):
        raise ValueError(f"'{value}' must start with a letter or digit and hold only letters, digits, _ . -")
    if len(value) > _LONGEST_NAME:
        raise ValueError(f"a name of {len(value)} characters, expected at most {_LONGEST_NAME}; shorten it")
    if value.endswith(".") or _DEVICES.fullmatch(value):
        raise ValueError(
            f"'{value}' cannot name a folder everywhere; choose another name, without a dot at the end"
        )
    return value


def _is_experiment(value: str) -> str:
    if value.lower() == "readme.md":
        raise ValueError(f"'{value}' is a file in results/, not a folder; choose another name")
    return _is_name(value)


def _is_method(value: str) -> str:
    try:
        parse_method(value)
    except TglError as error:
        raise ValueError(str(error)) from None
    return value


def _is_plan(value: str) -> str:
    try:
        parse_plan(value)
    except TglError as error:
        raise ValueError(str(error)) from None
    return value


def _is_language(value: str) -> str:
    if not is_known_language(value):
        raise ValueError(
            f"'{value}' is no known language{nearest(value, LANGUAGES)}; expected a code of ISO 639-1 or of a "
            "Wikipedia, such as en, de or ceb"
        )
    return value


def _is_path(value: str) -> str:
    if not value or value.isspace():
        raise ValueError("an empty path; write null where there is none")
    if "\0" in value:
        raise ValueError("a path with a null character, which no file has; correct it")
    if len(value.encode("utf-8", "replace")) > _LONGEST_PATH:
        raise ValueError(f"a path of more than {_LONGEST_PATH} bytes; move the file")
    return value


def rule_path_problem(path: str) -> str | None:
    """Return what keeps a rule of the workflow from taking `path` as an input (None: nothing). Subcommands take any."""
    if found := _CONTROL.search(path):
        return f"a path with the control character {found[0]!r}, which logs cannot show; rename the file"
    if set("{}") & set(path):
        return f"'{path}' holds a brace, which Snakemake takes for a wildcard; rename it"
    return None


def url_problem(url: str) -> str | None:
    """Return what keeps `url` from being fetched from (None: nothing): only https is, or http to this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        return f"{url!r} is no URL ({error})"
    if "@" in parts.netloc:
        # The URL is not repeated here: this text ends in a log.
        return "holds a user or password, which logs would show; none expected"
    if not host or not url.isprintable() or " " in url:
        return f"{url!r} is no URL"
    if parts.scheme == "https" or (parts.scheme == "http" and host in ("localhost", "127.0.0.1", "::1")):
        return None
    return f"'{url}' must begin with https:// (http:// only to this machine)"


_MOST_CONTACT = 200
_EMAIL = re.compile(r"[^\s@<>()]+@[^\s@<>()]+\.[A-Za-z0-9-]+")
_URL = re.compile(r"https?://[^\s/@<>()]+\.[^\s<>()]+")
_PLACEHOLDER = re.compile(
    r"\byou@example\.|\byour[\w.-]*@|@your[\w-]*\.|\byour\b|://your[\w-]*\.|<[^@<>]*>", re.IGNORECASE
)


def contact_problem(contact: str | None) -> str | None:
    """Return what keeps `contact` from being sent in a User-Agent (None: nothing).

    A host's operators must be able to write to whoever asks too much: it holds an e-mail address or a URL.
    """
    if not contact or not contact.strip():
        return "required to download: an e-mail address or URL, sent in the User-Agent"
    shown = repr(contact[:60])
    if len(contact) > _MOST_CONTACT:
        return f"{len(contact)} characters found ({shown}...), at most {_MOST_CONTACT} expected"
    if not (contact.isascii() and contact.isprintable()):
        return f"{shown} must be one line of ASCII, as a header of HTTP is"
    if not (_EMAIL.search(contact) or _URL.search(contact)):
        return f"{shown} holds neither an e-mail address nor a URL; give one that is read"
    if _PLACEHOLDER.search(contact):
        return f"{shown} is a placeholder; give an e-mail address or URL of your own"
    return None


Number = Annotated[float, BeforeValidator(number)]
Integer = Annotated[int, BeforeValidator(number)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Share = Annotated[Number, Field(ge=0, lt=1)]
Positive = Annotated[Integer, Field(ge=1, le=1_000_000_000)]
# Every generator of random numbers takes these, and the seeds that are made of them (`seed * 1000 + period`).
Seed = Annotated[Integer, Field(ge=0, le=MOST_SEED)]
Rate = Annotated[Number, Field(ge=1e-12, le=100)]
Factor = Annotated[Number, Field(ge=1e-9, le=1e9)]
Resamples = Annotated[Integer, Field(ge=100, le=100_000)]
Holdout = Annotated[Number, Field(ge=1e-6, le=0.9)]
Date = Annotated[str, BeforeValidator(_date), AfterValidator(_is_date)]
# A run's seed stands apart by 1000 from the next, and its periods lie between.
Dates = Annotated[list[Date], Field(max_length=999), AfterValidator(_rises)]
Name = Annotated[str, AfterValidator(_is_name)]
ExperimentName = Annotated[str, AfterValidator(_is_experiment)]
Method = Annotated[str, AfterValidator(_is_method)]
PlanText = Annotated[str, AfterValidator(_is_plan)]
Language = Annotated[str, AfterValidator(_is_language)]
FilePath = Annotated[str, AfterValidator(_is_path)]


class Section(BaseModel):
    """A part of the configuration: unknown keys, wrong types, and values that do not go together are refused."""

    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with keys of this section that are each right alone, each led by its key."""
        yield from ()

    def all_problems(self) -> Iterator[str]:
        """Yield the problems of this section and of the sections in it."""
        yield from self.problems()
        for name in type(self).model_fields:
            if isinstance(inner := getattr(self, name), Section):
                yield from (f"{name}.{problem}" for problem in inner.all_problems())

    @model_validator(mode="after")
    def _together(self, info: ValidationInfo) -> Section:
        # A reader of configurations collects these itself, to say everything at once.
        if info.context != COLLECTED and (found := list(self.problems())):
            raise ValueError("; ".join(found))
        return self


def twice(key: str, values: list) -> Iterator[str]:
    """Yield the problem of a list that holds a value twice."""
    if len(set(values)) < len(values):
        yield f"{key}: {values} holds a value twice"
