"""Where the tests find what is not next to them."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
