"""What a night of fuzzing has done: a line of JSON for each target that ended, so that a night can be gone on with."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.support.paths import REPOSITORY


@dataclass(frozen=True)
class Ended:
    """A target that ran to its end: the cases asked for and run, and the code they were run on."""

    code: str
    target: str
    asked: int
    cases: int
    seconds: float
    failed: bool


def code_now() -> str:
    """Return a hash of the code that is tried and of the targets: what other code did counts for nothing."""
    digest = hashlib.sha256()
    for folder in ("tgl", "tests/fuzz"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            digest.update(f"{path.relative_to(REPOSITORY)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def note(log: Path, ended: Ended) -> None:
    """Append a target; several processes may do so at once."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(asdict(ended)) + "\n")


def read(log: Path, code: str) -> dict[str, Ended]:
    """Return the last that each target did on this code."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    found = [Ended(**json.loads(line)) for line in lines]
    return {ended.target: ended for ended in found if ended.code == code}


def table(found: dict[str, Ended]) -> list[str]:
    """Return the lines of a table in Markdown: cases, failures and minutes by target, and in all."""
    rows = ["| target | cases | failures | minutes |", "|---|---|---|---|"]
    rows += [
        f"| {name} | {one.cases:,} | {int(one.failed)} | {one.seconds / 60:.1f} |"
        for name, one in sorted(found.items())
    ]
    cases, failures = (sum(map(int, values)) for values in zip(
        *((one.cases, one.failed) for one in found.values()), strict=True))  # fmt: skip
    minutes = sum(one.seconds for one in found.values()) / 60
    return [*rows, f"| {len(found)} targets | {cases:,} | {failures} | {minutes:.1f} |"]
