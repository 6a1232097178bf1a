"""The documentation builds as a site without a warning, and is complete and searchable."""

import html
import json
import os
import re
import subprocess
import sys
from urllib.parse import unquote

import pytest

from tests.support.browser import needs_browser, opened
from tests.support.paths import REPOSITORY
from tgl.cli.app import GROUPS
from tgl.core.schemas import SCHEMAS


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    run = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, env=environment, check=False
    )
    assert run.returncode == 0, run.stderr
    return folder


def test_every_command_and_every_table_is_in_the_reference(site):
    commands = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    for name in (name for group in GROUPS.values() for name, _, _ in group):
        assert f">tgl {name}<" in commands
    tables = (site / "reference" / "tables.html").read_text(encoding="utf-8")
    assert all(f'id="{name}"' in tables for name in SCHEMAS)
    assert "train.learning_rates" in (site / "reference" / "keys.html").read_text(encoding="utf-8")


def test_every_name_of_the_package_is_in_the_reference(site):
    page = (site / "reference" / "python.html").read_text(encoding="utf-8")
    import tgl

    for name in tgl.__all__:
        assert re.search(rf'id="tgl\.[\w.]*\.{name}"', page), name


def test_the_search_index_has_the_pages(site):
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    places = {entry["location"].partition("#")[0] for entry in index["docs"]}
    assert {"index.html", "glossary.html", "faq.html", "reference/keys.html"} <= places | {"index.html"}
    assert any("forgetting" in entry["text"] for entry in index["docs"])


def test_every_link_of_the_site_leads_to_a_page_and_an_anchor(site):
    pages = {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    broken = []
    for page, text in pages.items():
        for link in re.findall(r'<a [^>]*?href="([^"]*)"', text):
            target, _, anchor = html.unescape(link).partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            to = (page.parent / unquote(target)).resolve() if target else page
            if to == site or page.name == "404.html":
                continue
            ids = (
                anchor
                and to in pages
                and not re.search(rf'(?:id|name)="{re.escape(unquote(anchor))}"', pages[to])
            )
            if not to.is_file() or ids:
                broken.append((str(page.relative_to(site)), link))
    assert broken == []
    assert len(pages) > 40


@needs_browser
def test_the_search_finds_pages_without_a_server(site, tmp_path):
    address = f"file://{site}/index.html?q=forgetting"
    for attempt in range(
        4
    ):  # The search runs in parallel to the page, whose time the browser cuts short on a busy machine.
        page, console = opened(
            address, tmp_path / str(attempt), f"--virtual-time-budget={10_000 * 2**attempt}"
        )
        assert console == []
        if found := re.search(r"(\d+) matching documents", page):
            break
    assert int(found[1]) > 3


def test_nothing_is_loaded_from_another_host(site):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert re.findall(r'<(?:script|img|link rel="stylesheet")[^>]+(?:src|href)="https?:', text) == [], (
            page
        )
