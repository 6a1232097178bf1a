"""What the sections of the configuration are built of: strict sections, and numbers and names as YAML writes them."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from tgl.errors import TglError
from tgl.plans.names import parse_method


def number(value: object) -> object:
    """Return the number that text of one stands for; anything else as it is."""
    # YAML 1.1 reads 3e-3, which has no dot, as text; Snakemake's --config reads every nested number as text.
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+", value):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value):
        return float(value)
    return value


def _flag(value: object) -> object:
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def _date(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _is_date(value: str) -> str:
    if not re.fullmatch(r"[0-9]{4}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])", value):
        raise ValueError(f"'{value}' is not a date YYYYMMDD")
    return value


def _is_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value):
        raise ValueError(f"'{value}' must start with a letter or digit and hold only letters, digits, _ . -")
    return value


def _is_method(value: str) -> str:
    try:
        parse_method(value)
    except TglError as error:
        raise ValueError(str(error)) from None
    return value


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
Positive = Annotated[Integer, Field(gt=0)]
Date = Annotated[str, BeforeValidator(_date), AfterValidator(_is_date)]
Name = Annotated[str, AfterValidator(_is_name)]
Method = Annotated[str, AfterValidator(_is_method)]


class Section(BaseModel):
    """A part of the configuration: unknown keys and wrong types are refused."""

    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
