"""Pages in a real browser, without a window."""

import shutil
import subprocess

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium is installed (apt-get install chromium)"
)


def opened(address, profile, *options):
    """Return the page as the browser leaves it, and what it logged to the console.

    Args:
        address: The page's address, such as file:///tmp/page.html.
        profile: A folder for the browser's own files.
        *options: Further options of the browser.
    """
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom",
               f"--user-data-dir={profile}", *options, address]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return run.stdout, [line for line in run.stderr.splitlines() if "CONSOLE" in line]
