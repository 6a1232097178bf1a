"""The job server without its slow imports. A command is Python code, which runs in place of tgl's command line."""

import os
import sys
import types
from pathlib import Path

from tgl.jobs import server


def _stub(name: str, **attributes: object) -> None:
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(attributes)


if __name__ == "__main__":
    _stub("tgl.cli", main=lambda: exec(sys.argv[1], {"__name__": "command"}))
    if os.environ.get("TEST_GPU_USED"):
        _stub("torch", cuda=types.SimpleNamespace(_is_in_bad_fork=lambda: True))
    server.MODULES = tuple(os.environ.get("TEST_MODULES", "").split())
    server.IDLE = float(os.environ.get("TEST_IDLE", "60"))
    server._GRACE = 1
    server.main(Path(sys.argv[1]), int(sys.argv[2]))
