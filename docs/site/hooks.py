"""Hooks of mkdocs: reference pages from the code, and links to files outside the documentation."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs" / "site"))
from reference import commands_page, keys_page, tables_page  # noqa: E402  (mkdocs loads this file by its path)

GENERATED = {
    "reference/commands.md": commands_page,
    "reference/keys.md": keys_page,
    "reference/tables.md": tables_page,
}
_LINK = re.compile(r"(\]\()([^)#\s]+)")
_NOTEBOOK_LINK = re.compile(r'(<a href=")([^":#]+\.(?:md|ipynb)(?:#[^"]*)?)"')
_FILES = None  # The files of the site, which the last hook does not get.


def on_files(files, config):
    """Add the pages that are generated from the code."""
    for path, page in GENERATED.items():
        files.append(File.generated(config, path, content=page()))
    return files


def on_env(env, config, files):
    """Keep the files of the site for `on_post_page`."""
    global _FILES
    _FILES = files


def on_page_markdown(markdown, page, config, files):
    """Point links to files that are not pages of the site at the repository. A link to no file stays, and fails."""

    def outside(match: re.Match) -> str:
        return match[1] + (_in_repository(match[2], page, config, files) or match[2])

    return _LINK.sub(outside, markdown)


def on_post_page(output, page, config):
    """Point the links of a notebook at the pages of the site; mkdocs does so for Markdown only.

    Raises:
        PluginError: A link leads to no file.
    """
    if not page.file.src_uri.endswith(".ipynb"):
        return output

    def inside(match: re.Match) -> str:
        target, _, anchor = match[2].partition("#")
        if (repository := _in_repository(target, page, config, _FILES)) is not None:
            target = repository
        elif (found := _FILES.get_file_from_path(_path_of(target, page).removeprefix("docs/"))) is not None:
            target = found.url_relative_to(page.file)
        else:
            raise PluginError(f"{page.file.src_uri}: a link to {match[2]}, which is no file")
        return f'{match[1]}{target}{"#" + anchor if anchor else ""}"'

    return _NOTEBOOK_LINK.sub(inside, output)


def _path_of(target: str, page) -> str:
    return posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), target))


def _in_repository(target: str, page, config, files) -> str | None:
    """Return the address in the repository of a file that is no page of the site; None for all else."""
    if "://" in target:
        return None
    path = _path_of(target, page)
    own = files.get_file_from_path(path.removeprefix("docs/")) if path.startswith("docs/") else None
    if (own and not own.inclusion.is_excluded()) or not (ROOT / path).exists():
        return None
    kind = "tree" if (ROOT / path).is_dir() else "blob"
    return f"{config.repo_url.rstrip('/')}/{kind}/main/{path}"
