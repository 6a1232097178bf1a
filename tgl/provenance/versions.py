"""List the packages that results depend on, with their installed versions."""

from __future__ import annotations

import platform
from importlib import metadata

PACKAGES = (
    "tgl",
    "torch",
    "transformers",
    "tokenizers",
    "deepspeed",
    "peft",
    "pandas",
    "pyarrow",
    "numpy",
    "scipy",
    "snakemake",
    "lxml",
    "mwparserfromhell",
    "sentencex",
    "datasets",
    "safetensors",
    "inscriptis",
    "markdown-it-py",
    "spacy",
    "py7zr",
    "rapidgzip",
)


def installed_versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages, without importing them."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
