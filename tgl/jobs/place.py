"""Where the server listens: one for each user, interpreter, code and environment. Imports only what starts fast."""

from __future__ import annotations

import hashlib
import os
import resource
import stat
import sys
import tempfile
from pathlib import Path

# The workflow sets this variable where jobs run on this machine, with this interpreter.
SWITCH = "TGL_JOB_SERVER"
# Libraries read these variables when they are imported or loaded: a server with other values would compute otherwise.
_READ_ON_IMPORT = (
    "PYTHON", "OMP_", "GOMP_", "MKL_", "KMP_", "OPENBLAS_", "GOTO_", "BLIS_", "VECLIB_", "NUMEXPR_", "TORCH", "PYTORCH",
    "CUDA_", "NVIDIA_", "NCCL_", "HF_", "HUGGING", "TRANSFORMERS_", "SAFETENSORS_", "TOKENIZERS_", "DS_", "ACCELERATE_",
    "ARROW_", "PYDANTIC_", "MPL", "XDG_", "LD_", "MALLOC_", "GLIBC_", "LANG", "LC_", "TZ", "PATH", "HOME",
    "TMP", "TEMP", "TERM", "NO_COLOR", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "SLURM_JOB",
)  # fmt: skip
_LONGEST_SOCKET = 100  # bytes, of 108 that the kernel takes


def socket_path() -> Path | None:
    """Return the socket of the server that fits this process; None where no safe folder or short enough path is."""
    try:
        parent = os.environ.get("XDG_RUNTIME_DIR", "")
        folder = Path(parent if os.path.isdir(parent) else tempfile.gettempdir()).absolute()
        folder /= f"tgl-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        # Whoever can write there could run code as this user.
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o777 != 0o700:
            return None
        digest = hashlib.sha256("\n".join((*_process(), *code())).encode("utf-8", "surrogateescape"))
    except (OSError, ValueError):  # also for a file of the code that vanishes while it is looked at
        return None
    path = folder / f"{digest.hexdigest()[:20]}.sock"
    return path if len(os.fsencode(path)) <= _LONGEST_SOCKET else None


def code() -> list[str]:
    """Return the state of the code: of each file of this package, and of the folders of installed packages."""
    parts = []
    for folder in map(Path, sys.path):
        if folder.name in ("site-packages", "dist-packages") and folder.is_dir():
            parts.append(f"{folder} {folder.stat().st_mtime_ns}")
    for folder, folders, files in os.walk(Path(__file__).parents[1]):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        stats = ((name, os.stat(os.path.join(folder, name))) for name in sorted(files))
        parts += [f"{folder}/{name} {found.st_size} {found.st_mtime_ns}" for name, found in stats]
    return parts


def _process() -> list[str]:
    """Return what a job inherits from its server: interpreter, environment, limits, cores, groups, containers."""
    # The first folder of `python -m` is the working directory, which each job gets from whoever asks for it.
    first = not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]
    limits = {name: getattr(resource, name) for name in sorted(vars(resource)) if name.startswith("RLIMIT_")}
    return [
        sys.executable,
        sys.version,
        *sys.path[first:],
        *(
            f"{name}={value}"
            for name, value in sorted(os.environ.items())
            if name.startswith(_READ_ON_IMPORT) and name != "PYTHONPATH"  # whose folders are part of sys.path
        ),
        *(f"{name} {resource.getrlimit(number)}" for name, number in limits.items()),
        f"{os.nice(0)} {sorted(os.sched_getaffinity(0))}",
        f"{os.getgid()} {sorted(os.getgroups())}",
        *(str(os.stat(f"/proc/self/ns/{name}").st_ino) for name in ("mnt", "pid", "net", "user")),
        Path("/proc/self/cgroup").read_text(encoding="utf-8"),
    ]
