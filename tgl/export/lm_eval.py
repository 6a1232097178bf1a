"""Write probes as tasks of EleutherAI's lm-evaluation-harness: settings in YAML, data in JSON lines."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from tgl.core.errors import TglError
from tgl.core.files import atomic_folder
from tgl.core.tables.read import check_unique

FUNCTIONS = "tgl_functions.py"
_SOURCE = Path(__file__).with_name("lm_eval_functions.py")
# The names of the files end with .jsonl, and file systems allow 255 bytes.
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Task:
    """A task of the harness.

    Attributes:
        name: Name of the task, and of its files.
        probes: Rows of the table `probes`, in order.
        others: The wrong candidates of each probe, or None if a probe has none.
    """

    name: str
    probes: Sequence[Mapping]
    others: Sequence[Sequence[str]] | None


class _Function(str):
    """The name of a function in FUNCTIONS."""


class _Dumper(yaml.SafeDumper):
    """Writes the harness's tag `!function`."""


_Dumper.add_representer(
    _Function,
    lambda dumper, name: dumper.represent_scalar("!function", f"{FUNCTIONS.removesuffix('.py')}.{name}"),
)


def export_lm_eval(
    probes: pa.Table,
    folder: str | Path,
    name: str = "tgl",
    *,
    split: str = "test",
    first_token: str = "",
    say: Callable[[str], None] = print,
) -> list[str]:
    """Write one task for each set and kind of probes, and a group with all tasks.

    The folder is written completely or not at all. Probes that the harness would score differently are skipped and
    logged; see `is_scored_alike`.

    Args:
        probes: Table `probes`.
        folder: Folder for the tasks. It must not exist.
        name: Name of the group, and beginning of the names of the tasks.
        split: The split to export.
        first_token: Text of the token that begins each context, for models whose tokenizer does not add it.
        say: Function that prints a line.

    Returns:
        The names of the tasks.

    Raises:
        TglError: If no probe can be exported, if an id occurs twice, if a span is outside its text, if a candidate is
            empty, if a name is invalid or occurs twice, or if the folder exists.
    """
    folder = Path(folder)
    if folder.exists():
        raise TglError(f"{folder}: exists already. Remove it, or pass another folder.")
    tasks = tasks_of(probes.to_pylist(), name, split=split, say=say)
    with atomic_folder(folder) as part:
        shutil.copyfile(_SOURCE, part / FUNCTIONS)
        for task in tasks:
            _write(part / f"{task.name}.jsonl", data_of(task, first_token))
            _write(part / f"{task.name}.yaml", _yaml(settings_of(task, split)))
        _write(part / f"{name}.yaml", _yaml(group_of(tasks, name)))
    for task in tasks:
        kind = "log-likelihood" if task.others is None else "multiple choice"
        say(f"{task.name}: {len(task.probes)} probes, {kind}")
    return [task.name for task in tasks]


def tasks_of(
    rows: Sequence[Mapping], name: str, *, split: str = "test", say: Callable[[str], None] = print
) -> list[Task]:
    """Return the tasks of the probes of a split, in order of their first probe.

    As in `tgl.evaluate.score.score_probes`, other correct answers of the same question are no candidates, and
    validation probes have no candidates. A task has choices if every probe has a candidate.
    """
    check_unique((row["id"] for row in rows), "probes")
    chosen = [row for row in rows if row["split"] == split]
    if not chosen:
        found = ", ".join(sorted({row["split"] for row in rows})) or "no probe"
        raise TglError(f"no probe of the split '{split}'; found: {found}. Pass another --split or table.")
    for row in rows:
        if not 0 <= row["span_start"] < row["span_end"] <= len(row["text"]):
            raise TglError(
                f"probe '{row['id']}': span [{row['span_start']}, {row['span_end']}) is not within its text "
                f"{row['text']!r}. Correct the span."
            )
    kept = [row for row in chosen if is_scored_alike(row)]
    if len(kept) < len(chosen):
        say(
            f"{len(chosen) - len(kept)} of {len(chosen)} probes skipped: the white space before the span is more than "
            "one space, and the harness would score it as a part of the answer"
        )
    if not kept:
        raise TglError(
            "every probe was skipped; expected one with a word or one space before its span. "
            "Correct the texts."
        )
    check_name(name, "--name")
    answers: dict[str, set[str]] = {}
    for row in rows:
        answers.setdefault(row["answer_group"], set()).add(_answer(row))
    members: dict[tuple[str, str], list[Mapping]] = {}
    for row in kept:
        members.setdefault((row["set"], row["kind"]), []).append(row)
    tasks: dict[str, Task] = {}
    for (set_name, kind), own in members.items():
        check_name(set_name, "set")
        check_name(kind, "kind")
        whole = f"{name}_{set_name}_{kind}"
        if whole in tasks:
            raise TglError(
                f"two tasks have the name '{whole}', because names of sets and kinds contain '_'. "
                "Rename a set or kind."
            )
        if len(whole.encode()) > _LONGEST_NAME:
            raise TglError(
                f"the name '{whole}' has {len(whole.encode())} bytes; expected at most "
                f"{_LONGEST_NAME}. Use a shorter --name, set or kind."
            )
        others = [_others(row, answers[row["answer_group"]]) for row in own]
        if any(others) and not all(others):
            say(
                f"{whole}: {others.count([])} of {len(own)} probes have no candidates, so the task has no choices"
            )
        tasks[whole] = Task(whole, own, others if all(others) else None)
    return list(tasks.values())


def check_name(name: str, what: str) -> None:
    """Check a part of the name of a task; the harness divides --tasks at commas, and looks for wildcards in it.

    Raises:
        TglError: If the name has other characters than letters, digits, _ . and -.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise TglError(
            f"{what}: found {name!r}; expected only letters, digits and _ . - in the name of a task. "
            "Rename it."
        )


def is_scored_alike(row: Mapping) -> bool:
    """Return whether the harness scores the same text as tgl: the span, and one space before it.

    The harness moves all white space at the end of the context to the answer. tgl moves one space.
    """
    before, _ = _parts(row)
    return before == before.rstrip()


def data_of(task: Task, first_token: str = "") -> str:
    """Return the data of a task, one JSON object per probe. The answer is the last choice."""
    lines = []
    for number, row in enumerate(task.probes):
        before, space = _parts(row)
        data: dict[str, Any] = {key: row[key] for key in ("id", "period", "relation")}
        data["context"] = first_token + before
        if task.others is None:
            data["answer"] = space + _answer(row)
        else:
            data["choices"] = [space + text for text in (*task.others[number], _answer(row))]
            data["answer"] = len(data["choices"]) - 1
        lines.append(json.dumps(data, ensure_ascii=False) + "\n")
    return "".join(lines)


def settings_of(task: Task, split: str = "test") -> dict[str, Any]:
    """Return the settings of a task. Texts are columns of the data: the harness would change those of a template."""
    has_choices = task.others is not None
    found: dict[str, Any] = {
        "task": task.name,
        "custom_dataset": _Function("load"),
        "dataset_kwargs": {"data_file": f"{task.name}.jsonl"},
        "test_split": "test",
        "output_type": "multiple_choice" if has_choices else "loglikelihood",
        "doc_to_text": "context",
    }
    if has_choices:
        found["doc_to_choice"] = "choices"
    return found | {
        "doc_to_target": "answer",
        "target_delimiter": "",
        "num_fewshot": 0,
        "process_results": _Function("answer_among_choices" if has_choices else "answer_alone"),
        "metric_list": [
            {"metric": metric, "aggregation": "mean", "higher_is_better": True} for metric in _metrics([task])
        ],
        "metadata": {"version": 1.0, "split": split},
    }


def group_of(tasks: Sequence[Task], name: str) -> dict[str, Any]:
    """Return the settings of the group. Its measures are means over probes, of what all tasks measure."""
    return {
        "group": name,
        "task": [task.name for task in tasks],
        "aggregate_metric_list": [
            {"metric": metric, "aggregation": "mean", "weight_by_size": True, "filter_list": ["none"]}
            for metric in _metrics(tasks)
        ],
        "metadata": {"version": 1.0},
    }


def _metrics(tasks: Iterable[Task]) -> list[str]:
    choices = all(task.others is not None for task in tasks)
    return [*(["acc"] if choices else []), "log_likelihood", "exact_match"]


def _parts(row: Mapping) -> tuple[str, str]:
    """Return the text before the span without a space at its end, and that space."""
    before = row["text"][: row["span_start"]]
    return (before[:-1], " ") if before.endswith(" ") else (before, "")


def _answer(row: Mapping) -> str:
    return row["text"][row["span_start"] : row["span_end"]]


def _others(row: Mapping, answers: set[str]) -> list[str]:
    """Return the wrong candidates of a probe."""
    if row["split"] == "validation":
        return []
    if "" in row["candidates"]:
        raise TglError(
            f"probe '{row['id']}': found an empty candidate, expected a text. Remove it from the candidates."
        )
    return [other for other in row["candidates"] if other not in answers]


def _yaml(settings: Mapping) -> str:
    return yaml.dump(settings, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
