"""Datasets loaded as a user loads them, without a network."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from tgl.core.schemas import SCHEMAS


def check_loads(folder: Path, expected: dict[str, dict[str, list[dict]]], cache: Path, monkeypatch) -> None:
    """Load a dataset, also as a stream, and compare every row; expected: rows by configuration and split."""
    import datasets

    def refuse(*arguments):
        raise AssertionError(f"connects to {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert sorted(datasets.get_dataset_config_names(str(folder))) == sorted(expected)
    for config, splits in expected.items():
        for streaming in (False, True):
            found = datasets.load_dataset(str(folder), config, streaming=streaming, cache_dir=str(cache))
            assert set(found) == set(splits)
            for split, rows in splits.items():
                assert _texts(found[split]) == _texts(rows), (config, split)
                assert list(found[split].features) == SCHEMAS[folder.name].names


def _texts(rows) -> list[str]:
    """Return rows as texts, in which one that is not a number equals another."""
    return [json.dumps(row) for row in rows]
