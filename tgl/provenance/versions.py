"""The packages that results depend on, and which versions of them are installed."""

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
)


def installed_versions() -> dict[str, str]:
    """Return the versions of Python and of those packages that are installed, without importing them."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
