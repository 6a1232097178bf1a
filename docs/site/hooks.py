"""Hooks of mkdocs: reference pages from the code, and links to files outside the documentation."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path

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


def on_files(files, config):
    """Add the pages that are generated from the code."""
    for path, page in GENERATED.items():
        files.append(File.generated(config, path, content=page()))
    return files


def on_page_markdown(markdown, page, config, files):
    """Point links to files that are not pages of the site at the repository. A link to no file stays, and fails."""

    def outside(match: re.Match) -> str:
        target = match[2]
        if "://" in target:
            return match[0]
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), target))
        inside = path.removeprefix("docs/") if path.startswith("docs/") else None
        own = files.get_file_from_path(inside) if inside else None
        if (own and not own.inclusion.is_excluded()) or not (ROOT / path).exists():
            return match[0]
        kind = "tree" if (ROOT / path).is_dir() else "blob"
        return f"{match[1]}{config.repo_url.rstrip('/')}/{kind}/main/{path}"

    return _LINK.sub(outside, markdown)
