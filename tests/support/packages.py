"""Installed packages as files alone: a folder on the path of Python, without an installer and without network."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path


def install(folder: Path, name: str, entry_points: Mapping[str, Mapping[str, str]], **modules: str) -> Path:
    """Write what an installer leaves of a package into `folder`, and return the folder.

    entry_points: by group, the objects by name. modules: the text of each module, by name.
    """
    about = folder / f"{name}-0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    lines = [
        line
        for group, points in entry_points.items()
        for line in (f"[{group}]", *(f"{entry} = {value}" for entry, value in points.items()))
    ]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text)
    return folder


def install_project(project: Path, folder: Path) -> Path:
    """Write the package of a folder with a pyproject.toml into `folder`, as `install` does, and return the folder."""
    about = tomllib.loads((project / "pyproject.toml").read_text())
    install(folder, about["project"]["name"], about["project"]["entry-points"])
    for package in about["tool"]["setuptools"]["packages"]:
        shutil.copytree(project / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder
