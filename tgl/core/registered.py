"""Build sections of the configuration that hold one section for each entry of a registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationError,
    create_model,
    model_serializer,
)

from tgl.core.config_types import Section
from tgl.core.errors import TglError, nearest
from tgl.core.registry import Registry

AnySection = TypeVar("AnySection", bound=Section)


def sections_of(registry: Registry, name: str, about: str, *, module: str) -> type[Section]:
    """Return a section class with a key for each entry that has settings.

    Args:
        registry: The entries. Those of other packages get keys as in `with_others`.
        name: The name of the class.
        about: Its docstring.
    """
    fields: dict[str, Any] = {}
    for entry in registry.shipped():
        if (kind := registry.get(entry).Settings) is not None:
            fields[entry] = (kind, kind())
    section = create_model(name, __base__=Section, __doc__=about, __module__=module, **fields)
    return with_others(section, registry)


def with_others(section: type[AnySection], registry: Registry) -> type[AnySection]:
    """Return a section with a key for each entry of another package, or the section itself if there is none.

    An entry is imported only if its key is given. The default is None, which means the entry's own defaults
    (`settings_of`).

    Raises:
        TglError: The name of an entry is already a key or a method of the section.
    """
    others = [entry for entry in registry.names() if entry not in registry.shipped()]
    for entry in others:
        if entry in section.model_fields or hasattr(section, entry):
            raise TglError(
                f"{registry.kind} '{entry}': {section.__name__} already uses this name, expected a different one. "
                "Rename the entry point, or uninstall its package"
            )
    fields: dict[str, Any] = {
        entry: (Annotated[SerializeAsAny[Section | None], BeforeValidator(_reader(registry, entry))], None)
        for entry in others
    }
    if not fields:
        return section

    # Rules run again when their settings change. An installed package that is not used must not change them.
    class Given(section):
        @model_serializer(mode="wrap")
        def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
            unset = {entry for entry in fields if getattr(self, entry) is None}
            return {key: value for key, value in handler(self).items() if key not in unset}

    return create_model(
        section.__name__, __base__=Given, __doc__=section.__doc__, __module__=section.__module__, **fields
    )


def settings_of(registry: Registry, sections: Section, entry: str) -> Section | None:
    """Return the settings of an entry: those in `sections`, or else its defaults; None for an entry without settings.

    Raises:
        TglError: `sections` lacks a key for which the entry has no default.
    """
    given = getattr(sections, entry, None)
    kind = registry.get(entry).Settings
    if given is not None or kind is None:
        return given
    try:
        return kind()
    except ValidationError as error:
        keys = ", ".join(str(item["loc"][0]) if item["loc"] else item["msg"] for item in error.errors())
        raise TglError(
            f"{registry.kind} '{entry}': the configuration has no section '{entry}', expected one with {keys}. "
            "Add it"
        ) from None


def name_in(registry: Registry) -> AfterValidator:
    """Return a validator that accepts the names of a registry's entries."""

    def check(name: str) -> str:
        if name not in registry:
            raise ValueError(str(registry.unknown(name)))
        return name

    return AfterValidator(check)


def _reader(registry: Registry, entry: str) -> Callable[[object], object]:
    def read(value: object) -> object:
        if value is None or isinstance(value, Section):
            return value
        kind = registry.get(entry).Settings
        if kind is None:
            raise ValueError(f"the {registry.kind} '{entry}' has no settings; remove this key")
        if isinstance(value, dict) and (unknown := [key for key in value if key not in kind.model_fields]):
            faults = [_unknown_key(kind, key, value[key]) for key in unknown]
            raise ValidationError.from_exception_data(kind.__name__, faults)
        return kind.model_validate(value)

    return read


def _unknown_key(kind: type[Section], key: object, value: object) -> dict:
    """Return a pydantic error for an unknown key. It lists the known keys, which the caller cannot see."""
    known = list(kind.model_fields)
    fault = ValueError(f"unknown key{nearest(str(key), known) or '; known keys: ' + ', '.join(known)}")
    return {"type": "value_error", "loc": (str(key),), "input": value, "ctx": {"error": fault}}
