"""Find the workflow's files of an installed tgl."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

from tgl.core.errors import TglError

_ROOT = Path(__file__).parents[2]


def workflow_folder() -> Path:
    """Return the folder that holds the Snakefile, with `workflow/`, `config.yaml`, `envs/` and `profiles/` next to it.

    In a checkout this is the root of the checkout. Elsewhere it is `share/tgl` of the environment that tgl is
    installed in.

    Raises:
        TglError: None of these folders has the files.
    """
    # `pip install --target` puts share/ next to the package. --prefix and --user put it next to lib/pythonX.Y.
    prefixes = [_ROOT, *_ROOT.parents[2:3], Path(sysconfig.get_path("data")), Path(sys.prefix)]
    folders = list(dict.fromkeys([_ROOT, *(prefix / "share" / "tgl" for prefix in prefixes)]))
    for folder in folders:
        if (folder / "Snakefile").is_file() and (folder / "workflow" / "rules").is_dir():
            return folder
    places = ", ".join(map(str, folders))
    raise TglError(
        f"the files of the workflow are missing: no Snakefile with a folder workflow/rules in any of {places}. "
        "Install tgl again, or run it from a checkout."
    )
