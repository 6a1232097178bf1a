"""Types for the configuration: strict sections, numbers with bounds, names, dates and paths.

The options of the subcommands use the same types (`tgl.cli.options.checked`).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Annotated, get_args
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
from pydantic.fields import FieldInfo

from tgl.core.errors import nearest
from tgl.core.languages import LANGUAGES, is_known_language

# A name becomes a folder and a part of longer names. File systems allow 255 bytes in a name.
_LONGEST_NAME, _LONGEST_PATH = 100, 1000
# Windows reserves these file names for devices, with any ending.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
MOST_SEED = 2**32 - 1
# Validation context for a caller that collects `all_problems` afterwards.
COLLECTED = "problems are collected"


def number(value: object) -> object:
    """Convert text that is a number to int or float; return any other value unchanged."""
    # YAML 1.1 reads 3e-3 as text because it has no dot. Snakemake's --config reads every nested number as text.
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


def _is_language(value: str) -> str:
    if not is_known_language(value):
        raise ValueError(
            f"'{value}' is not a known language{nearest(value, LANGUAGES)}; expected the code of ISO 639-1 or of a "
            "Wikipedia, such as en, de or ceb"
        )
    return value


def _is_path(value: str) -> str:
    if not value or value.isspace():
        raise ValueError("the path is empty; write null if there is none")
    if "\0" in value:
        raise ValueError("the path holds a null character, which no file name can have; correct it")
    if len(value.encode("utf-8", "replace")) > _LONGEST_PATH:
        raise ValueError(f"the path is longer than {_LONGEST_PATH} bytes; move the file")
    return value


def rule_path_problem(path: str) -> str | None:
    """Return why a rule of the workflow cannot use `path` as an input, or None if it can.

    Subcommands accept paths that rules do not.
    """
    if found := _CONTROL.search(path):
        return f"the path holds the control character {found[0]!r}, which logs cannot show; rename the file"
    if set("{}") & set(path):
        return f"'{path}' holds a brace, which Snakemake reads as a wildcard; rename it"
    return None


def url_problem(url: str) -> str | None:
    """Return why tgl does not download from `url`, or None if it does.

    Only https is allowed, and http to this machine.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        return f"{url!r} is not a URL ({error})"
    if "@" in parts.netloc:
        # This text ends in a log, so it must not repeat the URL with its password.
        return "holds a user name or password, which logs would show; remove it"
    if not host or not url.isprintable() or " " in url:
        return f"{url!r} is not a URL"
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
    """Return why `contact` cannot be sent in a User-Agent header, or None if it can.

    It must hold an e-mail address or a URL, so that a host's operators can reach the person who sends too many
    requests.
    """
    if not contact or not contact.strip():
        return "required to download: an e-mail address or URL, sent in the User-Agent"
    shown = repr(contact[:60])
    if len(contact) > _MOST_CONTACT:
        return f"found {len(contact)} characters ({shown}...), expected at most {_MOST_CONTACT}"
    if not (contact.isascii() and contact.isprintable()):
        return f"{shown} must be one line of ASCII, because HTTP headers are"
    if not (_EMAIL.search(contact) or _URL.search(contact)):
        return f"{shown} holds neither an e-mail address nor a URL; give one that somebody reads"
    if _PLACEHOLDER.search(contact):
        return f"{shown} is a placeholder; give your own e-mail address or URL"
    return None


Number = Annotated[float, BeforeValidator(number)]
Integer = Annotated[int, BeforeValidator(number)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Share = Annotated[Number, Field(ge=0, lt=1)]
Positive = Annotated[Integer, Field(ge=1, le=1_000_000_000)]
# Every random number generator accepts these seeds, and the seeds computed from them (`seed * 1000 + period`).
Seed = Annotated[Integer, Field(ge=0, le=MOST_SEED)]
Rate = Annotated[Number, Field(ge=1e-12, le=100)]
Factor = Annotated[Number, Field(ge=1e-9, le=1e9)]
Resamples = Annotated[Integer, Field(ge=100, le=100_000)]
Holdout = Annotated[Number, Field(ge=1e-6, le=0.9)]
Date = Annotated[str, BeforeValidator(_date), AfterValidator(_is_date)]
# The seeds of two runs differ by at least 1000, and the periods of a run use the numbers between.
Dates = Annotated[list[Date], Field(max_length=999), AfterValidator(_rises)]
Name = Annotated[str, AfterValidator(_is_name)]
ExperimentName = Annotated[str, AfterValidator(_is_experiment)]
Language = Annotated[str, AfterValidator(_is_language)]
FilePath = Annotated[str, AfterValidator(_is_path)]


class BelowDataRoot:
    """Marks a path that starts from `data_root` if it is relative."""


DataPath = Annotated[str, AfterValidator(_is_path), BelowDataRoot]


def is_below_data_root(field: FieldInfo) -> bool:
    """Return whether a setting is marked with `BelowDataRoot`."""
    parts = (field.annotation, *get_args(field.annotation))
    return BelowDataRoot in field.metadata or any(BelowDataRoot in get_args(part) for part in parts)


class WithoutEffect:
    """Marks a setting whose value changes no output, so that files made with another value stay valid."""


class Section(BaseModel):
    """A part of the configuration. It refuses unknown keys, wrong types and values that contradict each other."""

    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    def problems(self) -> Iterator[str]:
        """Yield the problems between keys of this section that are each valid alone. Each begins with a key."""
        yield from ()

    def all_problems(self) -> Iterator[str]:
        """Yield the problems of this section and of the sections inside it."""
        yield from self.problems()
        for name in type(self).model_fields:
            if isinstance(inner := getattr(self, name), Section):
                yield from (f"{name}.{problem}" for problem in inner.all_problems())

    @classmethod
    def without_effect(cls) -> set[str]:
        """Return the keys of this section that are marked with `WithoutEffect`."""
        return {name for name, field in cls.model_fields.items() if WithoutEffect in field.metadata}

    @model_validator(mode="after")
    def _together(self, info: ValidationInfo) -> Section:
        # With COLLECTED the caller collects the problems itself, to report all of them at once.
        if info.context != COLLECTED and (found := list(self.problems())):
            raise ValueError("; ".join(found))
        return self


def twice(key: str, values: list) -> Iterator[str]:
    """Yield a problem that begins with `key` if the list holds a value twice."""
    if len(set(values)) < len(values):
        yield f"{key}: {values} holds a value twice"
