"""What the code never does, and that no value of a configuration reaches a shell unquoted."""

import ast
import re
from typing import Literal, get_args, get_origin

import pytest
from pydantic import AfterValidator
from pydantic.fields import FieldInfo

from tests.support.paths import REPOSITORY
from tgl.config.check import load_config
from tgl.config.root import Config
from tgl.core.config_types import FilePath, Section
from tgl.core.errors import TglError
from tgl.train.methods import parse_method

MODULES = sorted(
    path for name in ("tgl", "workflow", "benchmarks") for path in (REPOSITORY / name).rglob("*.py")
)
RULES = [*sorted((REPOSITORY / "workflow" / "rules").glob("*.smk")), REPOSITORY / "Snakefile"]
# Each can run code that stands in a file or a text.
UNSAFE_MODULES = {
    "pickle",
    "cPickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "joblib",
    "jsonpickle",
    "code",
}
UNSAFE_BUILTINS = {"eval", "exec", "compile", "__import__"}
UNSAFE_CALLS = {
    *("os.system", "os.popen", "os.startfile"),
    *(
        f"yaml.{name}"
        for name in ("load", "load_all", "full_load", "unsafe_load", "unsafe_load_all", "Loader")
    ),
    *("subprocess.getoutput", "subprocess.getstatusoutput", "pd.read_pickle", "pandas.read_pickle"),
}


def names_of(tree: ast.AST) -> dict[str, str]:
    """Return what each imported name stands for, as module.name."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {
                alias.asname or alias.name.partition(".")[0]: alias.name
                for alias in node.names
                if alias.asname
            }
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    """Return the dotted name of an expression, imports resolved; what is no name is left out."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def faults(tree: ast.AST, strict: bool) -> list[str]:
    """Return what a module does that none may do; `strict`: models from safetensors only, as in tgl/."""
    names, found = names_of(tree), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = (
                [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            )
            found += [f"imports {name}" for name in modules if name.partition(".")[0] in UNSAFE_MODULES]
        if not isinstance(node, ast.Call):
            continue
        called = dotted(node.func, names)
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        literal = {key: getattr(value, "value", None) for key, value in given.items()}
        if called in UNSAFE_BUILTINS | UNSAFE_CALLS:
            found.append(f"calls {called}")
        if "shell" in given and literal["shell"] is not False:
            found.append(f"{called} with shell=")
        if called.endswith("torch.load") and literal.get("weights_only") is not True:
            found.append("torch.load without weights_only=True")
        if "allow_pickle" in given:
            found.append(f"{called} with allow_pickle=")
        # Without a value, transformers asks on standard input.
        asks = re.search(r"(^|\.)Auto\w+\.from_pretrained$", called)
        if literal.get("trust_remote_code", None if asks else False) is not False:
            found.append(f"{called} without trust_remote_code=False")
        if called.endswith(".from_pretrained") and strict:
            only_text = called.endswith(("Tokenizer.from_pretrained", "Config.from_pretrained"))
            if None in given or not (only_text or literal.get("use_safetensors") is True):
                found.append(f"{called} without use_safetensors=True")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_module_runs_code_from_data_or_through_a_shell(path):
    assert faults(ast.parse(path.read_text()), path.is_relative_to(REPOSITORY / "tgl")) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from dill import loads",
        "eval('1')",
        "import os as o\no.system('a')",
        "from os import system\nsystem('a')",
        "import yaml\nyaml.load('a', yaml.SafeLoader)",
        "from yaml import unsafe_load as safe_load\nsafe_load('a')",
        "import subprocess\nsubprocess.run('a', shell=True)",
        "from subprocess import run\nrun('a', shell=yes)",
        "import torch\ntorch.load('a')",
        "import torch\ntorch.load('a', weights_only=False)",
        "import numpy as np\nnp.load('a', allow_pickle=True)",
        "AutoModelForCausalLM.from_pretrained('a', trust_remote_code=False)",
        "AutoModelForCausalLM.from_pretrained('a', use_safetensors=False, trust_remote_code=False)",
        "AutoModelForCausalLM.from_pretrained('a', use_safetensors=True, trust_remote_code=True)",
        "AutoModelForCausalLM.from_pretrained('a', use_safetensors=True, trust_remote_code=False, **more)",
        "AutoTokenizer.from_pretrained('a', trust_remote_code=True)",
        "import transformers\ntransformers.AutoTokenizer.from_pretrained('a')",
        "AutoConfig.from_pretrained('a')",
    ],
)
def test_the_check_of_modules_sees_what_it_looks_for(code):
    assert len(faults(ast.parse(code), strict=True)) == 1


def test_rules_run_no_python_and_no_script_of_their_own():
    for path in RULES:
        text = path.read_text()
        assert not re.search(r"^\s*(run|script|notebook|wrapper|cwl):", text, re.MULTILINE), path
        # The shell's exec, which puts tgl in its place, is none of Python's.
        assert not re.search(
            r"\b(eval|exec(?! python -m tgl(?:\.jobs)? )|os\.system|subprocess|pickle)\b", text
        ), path


HOSTILE = [
    "a;b",
    "$(touch x)",
    "`touch x`",
    "a b",
    "a\nb",
    "a\n",
    "a'b",
    'a"b',
    "a&b",
    "../a",
    "-a",
    "a/b",
    "a{b}",
    "é",
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("experiment", lambda value: {"experiment": value}),
        ("model.name", lambda value: {"model": {"name": value}}),
        ("text.language", lambda value: {"text": {"language": value}}),
        ("snapshots.wikimedia.wiki", lambda value: {"snapshots": {"wikimedia": {"wiki": value}}}),
        ("snapshots.dates.1", lambda value: {"snapshots": {"dates": ["20190101", f"20200101{value}"]}}),
        ("methods.1", lambda value: {"methods": ["full", f"tgl_fp{value}"]}),
        ("methods.1", lambda value: {"methods": ["full", f"tgl_fp.top25{value}"]}),
        ("methods.1", lambda value: {"methods": ["full", f"tgl_fp+{value}"]}),
    ],
)
def test_names_that_stand_in_commands_are_of_harmless_characters(path, raw, value):
    with pytest.raises(TglError) as caught:
        load_config(raw(value))
    assert f"- {path}: " in str(caught.value)


def test_what_a_name_may_hold_needs_no_quotes():
    config = load_config({"experiment": "A_1.b-c", "methods": ["full", "tgl_fp.top25.unchanged+mix_review"]})
    assert config.experiment == "A_1.b-c"
    for method in config.methods:
        assert all(re.fullmatch(r"[a-z0-9_.]+", part) for part in parse_method(method))


def narrowed(metadata) -> bool:
    """Tell whether a text is held to harmless characters; a path may have all but control characters."""
    paths = [item for item in get_args(FilePath) if isinstance(item, AfterValidator)]
    return any(isinstance(item, AfterValidator) and item not in paths for item in metadata)


def free_texts(annotation: object, key: str = "") -> set[str]:
    """Return the keys of a configuration that may hold any text."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        found = set()
        for name, field in annotation.model_fields.items():
            if not narrowed(field.metadata):
                found |= free_texts(field.annotation, f"{key}.{name}".removeprefix("."))
        return found
    if get_origin(annotation) is Literal:
        return set()
    if narrowed(getattr(annotation, "__metadata__", ())):
        return set()
    parts = [part for part in get_args(annotation) if not isinstance(part, FieldInfo)]
    return ({key} if annotation is str else set()).union(*(free_texts(part, key) for part in parts))


def test_every_key_that_may_hold_any_text_is_tried_in_commands():
    """A new one must be put there too."""
    assert free_texts(Config) == {
        "data_root",
        "snapshots.local.pattern",
        "snapshots.history.pattern",
        "snapshots.documents.collections",
        "snapshots.documents.dataset",
        "snapshots.documents.id_field",
        "snapshots.documents.pattern",
        "snapshots.documents.repository",
        "snapshots.documents.text_field",
        "snapshots.documents.title_field",
        "snapshots.counterfactual.facts",
        "snapshots.counterfactual.wordings",
        "snapshots.counterfactual.old_text",
        "snapshots.counterfactual.new_text",
        "snapshots.wikimedia.sources",
        "snapshots.wikimedia.base_url",
        "snapshots.wikimedia.part",
        "snapshots.wikimedia.contact",
        "pages.drop_sections",
        "text.json_lines",
        "probes.json_lines.file",
        "probes.templama.file",
        "probes.templama.pairs",
        "probes.ecbd.files",
        "probes.wikidata.file",
        "probes.wikidata.templates",
        "tokens.tokenizer",
        "model.load",
        "plan.borrow",
    }
