"""Configuration files and the JSON a stage is given: wrong types, odd tags, deep nesting, aliases."""

import json

import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import cases, changed, damaged, json_files, json_values, refused_or, scalars, texts
from tests.support.paths import REPOSITORY
from tgl.config.check import load_config
from tgl.config.root import Config
from tgl.core.config_check import load_section
from tgl.core.config_types import Section

DEFAULTS = json.loads(Config().model_dump_json())
TEXT = (REPOSITORY / "config.yaml").read_text()
LINES = [line for line in TEXT.splitlines() if line.strip() and not line.lstrip().startswith("#")]
# What YAML knows beyond JSON; several make PyYAML raise errors of Python's own.
ODD = [
    *'!!int ""; !!int x; !!float x; !!timestamp x; !!bool x; !!binary x; !!set {a}; !!omap [a]'.split("; "),
    *"2020-13-45; 2020-02-30; 1:99:3; 0x; 0b2; ? [a] : b; {[a]: 1}; <<: 1; {<<: [1]}; *gone".split("; "),
    "&a [*a]", "&a {b: *a}", "!!python/none",
    *"[1; {a; .inf; .nan; 1e999; ~; yes; |; >; @a; `a; %TAG; ---; ...; \t".split("; "),
    "!!python/object/apply:os.system [true]", "9" * 5000, "[" * 2000, "{a: " * 500, "- " * 500,
]  # fmt: skip
SECTIONS = [type(value) for _, value in Config() if isinstance(value, Section)]
SECTIONS += [type(inner) for kind in SECTIONS for _, inner in kind() if isinstance(inner, Section)]


@st.composite
def yaml_files(draw):
    """Return the bytes of a configuration with odd values in lines of the real one, or of changed values."""
    if draw(st.booleans()):
        lines = list(LINES)
        for _ in range(draw(st.integers(0, 4))):
            at = draw(st.integers(0, len(lines) - 1))
            key, colon, _ = lines[at].partition(":")
            value = draw(st.sampled_from(ODD) | texts | scalars.map(repr))
            lines[at] = draw(
                st.sampled_from([f"{key}{colon} {value}", value, lines[at] + value, " " + lines[at]])
            )
        text = "\n".join(lines)
    else:
        try:
            text = yaml.safe_dump(draw(changed(DEFAULTS)))
        except ValueError:  # a number of too many digits
            text = "9" * 5000
    return draw(damaged(text.encode("utf-8", "surrogatepass")))


@cases(0.04)
@given(yaml_files())
def test_a_configuration_is_whole_or_refused_with_its_file(folder, content):
    path = folder / "c.yaml"
    path.write_bytes(content)
    config = refused_or(lambda: load_config(path), path)
    if config is not None:
        assert load_config(json.loads(config.model_dump_json())) == config


@cases(0.02)
@given(changed(DEFAULTS))
def test_a_mapping_is_a_configuration_or_refused(raw):
    config = refused_or(lambda: load_config(raw), "configuration: ")
    if config is not None:
        assert load_config(json.loads(config.model_dump_json())) == config


def defaults_of(kind):
    """Return the defaults of a section as JSON has them; keys without one are left out."""
    fields = {name: field.default for name, field in kind.model_fields.items() if not field.is_required()}
    return json.loads(kind.model_construct(**fields).model_dump_json(include=set(fields)))


@cases(0.02)
@given(st.sampled_from(SECTIONS), st.data())
def test_a_section_given_as_json_is_whole_or_refused(kind, data):
    good = changed(defaults_of(kind))
    _, content = data.draw(json_files(st.one_of(good, good, json_values), suffixes=(".json",)))
    # as the command line gives what is not UTF-8
    section = refused_or(lambda: load_section(kind, content.decode("utf-8", "surrogateescape")), "--config")
    if section is not None:
        assert load_section(kind, section.model_dump_json()) == section
