"""Pass Snakemake's information about the jobs of a run to `tgl.provenance`, which writes the manifest."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod

from tgl.core.code_hash import code_hash
from tgl.core.errors import TglError
from tgl.core.json_text import parse_json
from tgl.core.terminal import printable
from tgl.models.architecture import ARCHITECTURES
from tgl.plans.policy import POLICIES
from tgl.probes.probe_set import PROBE_SETS
from tgl.provenance.files import relative_to
from tgl.provenance.manifest import Code
from tgl.provenance.record import Declared, note_run, update_manifest
from tgl.provenance.reuse import COPIED
from tgl.provenance.versions import installed_versions
from tgl.snapshots.source import SOURCES
from tgl.train.baseline import BASELINES

_PEAK = re.compile(r"^peak memory (\d+) MiB$", re.MULTILINE)
# The entries of these registries are hashed separately, because stages import them by name.
REGISTRIES = (ARCHITECTURES, BASELINES, POLICIES, PROBE_SETS, SOURCES)


def run_begins(workflow, results: str) -> None:
    """Record the package versions of this run at its start, because a killed run cannot record them at its end."""
    if workflow.is_main_process and not workflow.touch:
        _warning_only(results, lambda: note_run(results, _versions(workflow), _say))


def run_ends(workflow, results: str) -> None:
    """Write `manifest.json` of the experiment after a run that succeeded or failed."""

    def write() -> None:
        settings = workflow.dag_settings
        update_manifest(
            results,
            declared_jobs(workflow, results),
            _versions(workflow),
            say=_say,
            command=_command(workflow),
            whole=not (settings.targets or settings.until or settings.omit_from),
        )

    # Jobs in another process or on another node load this Snakefile too, but must not write the manifest.
    if workflow.is_main_process:
        _warning_only(results, write)


def _say(text: str) -> None:
    logger.info(printable(text))


def _command(workflow) -> list[str]:
    """Return a Snakemake command with this run's configuration, to be run in the same working directory."""
    settings, here = workflow.config_settings, Path.cwd()
    command = ["snakemake"]
    if Path(workflow.main_snakefile) != here / "Snakefile":
        command += ["--snakefile", relative_to(here, workflow.main_snakefile)]
    if settings.configfiles:
        command += ["--configfile", *(relative_to(here, path) for path in settings.configfiles)]
    if settings.config:
        command += ["--config", *(f"{key}={_config_value(value)}" for key, value in settings.config.items())]
    return command


def _config_value(value: object) -> str:
    """Format a value for Snakemake's option --config: None is empty, booleans as in Python, other values as JSON."""
    if value is None:
        return ""
    return str(value) if isinstance(value, bool | str) else json.dumps(value)


def declared_jobs(workflow, results: str) -> list[Declared]:
    """Return every job of the DAG that has outputs, as the workflow declares it now."""
    modules = _modules()
    return [_declared(workflow, job, results, modules) for job in workflow.dag.jobs if job.output]


def _declared(workflow, job, results: str, modules: dict[str, list[str]]) -> Declared:
    params = dict(job.params.items())
    values = [inner for value in params.values() for inner in (value if isinstance(value, list) else [value])]
    texts = [value for value in values if isinstance(value, str)]
    seconds, peak, ended = _benchmark(job.benchmark)
    served = _peak_of_served(job.log)
    state = _state(workflow, job)
    return Declared(
        rule=job.rule.name,
        wildcards=dict(job.wildcards.items()),
        outputs=[relative_to(results, path) for path in job.output],
        inputs=[relative_to(results, path) for path in job.input],
        config={name: value for name, text in params.items() if (value := _json_object(text)) is not None},
        code=[Code(modules=modules[text], hash=text) for text in texts if text in modules],
        command=job.shellcmd,
        seconds=seconds,
        peak_mib=peak if served is None else served,
        ended=ended,
        finished=_finished(workflow, job, state),
        state=state,
        copied_from=copied[1] if (copied := _in_logs(job.log, COPIED)) else None,
    )


def _state(workflow, job) -> str:
    dag = workflow.dag
    if dag.needrun(job) and not workflow.touch:
        return "ran" if dag.finished(job) else "waiting"
    # With other --rerun-triggers, Snakemake keeps outputs that were made with other parameters.
    return "unsure" if workflow.persistence.params_changed(job) else "done"


def _finished(workflow, job, state: str) -> float | None:
    """Return the modification time of the newest output at the end of the job."""
    if state == "ran":
        # Snakemake stores these times too, but may not have read them yet.
        times = [Path(path).stat().st_mtime for path in job.output if Path(path).exists()]
    else:
        records = [workflow.persistence.metadata(path) for path in job.output]
        times = [record.endtime for record in records if record is not None and record.endtime is not None]
    return max(times) if len(times) == len(job.output) else None


def _benchmark(path: str | None) -> tuple[float | None, float | None, float | None]:
    """Return wall seconds, peak memory in MiB and time of a benchmark file; None for missing values."""
    if path is None or not Path(path).is_file():
        return None, None, None
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    last = rows[-1] if rows else {}
    return _number(last.get("s")), _number(last.get("max_rss")), Path(path).stat().st_mtime


def _peak_of_served(logs: Iterable[str]) -> float | None:
    """Return the peak memory in MiB that a job wrote to its log; None for jobs that Snakemake measured itself."""
    found = _in_logs(logs, _PEAK)
    return None if found is None else float(found[1])


def _in_logs(logs: Iterable[str], pattern: re.Pattern) -> re.Match | None:
    """Return the first match near the end of a log, where a job writes what the manifest takes from it."""
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in map(Path, logs) if path.is_file())
    return next(filter(None, (pattern.search(text[-1000:]) for text in texts)), None)


def _number(text: str | None) -> float | None:
    # For jobs that are too short to measure, Snakemake writes NA, or - in older versions.
    return float(text) if text and re.fullmatch(r"\d+(\.\d+)?", text) else None


def _json_object(text: object) -> dict | None:
    if not (isinstance(text, str) and text.startswith("{")):
        return None
    try:
        value = parse_json(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _modules() -> dict[str, list[str]]:
    """Return the modules of every code hash that can be among the parameters of the rules."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("rules/*.smk"))
    calls = [re.findall(r'"(tgl[\w.]*)"', call) for call in re.findall(r"\bcode\(([^)]*)\)", text)]
    calls += [[registry.module(name)] for registry in REGISTRIES for name in registry]
    return {code_hash(*modules): modules for modules in calls}


def _versions(workflow) -> dict[str, str] | None:
    """Return the package versions of the jobs; None if jobs use their own conda environments."""
    conda = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    return None if conda else installed_versions()


def _warning_only(results: str, act) -> None:
    """Log errors as warnings, because a finished run must not fail when its manifest cannot be written.

    An AttributeError occurs with a Snakemake version whose internal attributes have other names.
    """
    try:
        act()
    except (TglError, WorkflowError, OSError, AttributeError) as error:
        logger.warning(printable(f"{results}/manifest.json was not written: {type(error).__name__}: {error}"))
