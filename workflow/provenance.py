"""What Snakemake knows of a run's jobs, handed to `tgl.provenance` for the manifest of the experiment."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod

from tgl.codehash import code_hash
from tgl.errors import TglError
from tgl.json_text import parse_json
from tgl.plans.names import BASELINE_MODULES
from tgl.provenance.files import relative_to
from tgl.provenance.manifest import Code
from tgl.provenance.record import Declared, note_run, update_manifest
from tgl.provenance.versions import installed_versions
from tgl.terminal import printable


def run_begins(workflow, results: str) -> None:
    """Note which versions the jobs of this run have; a run that is killed says nothing at its end."""
    if workflow.is_main_process and not workflow.touch:
        _warning_only(results, lambda: note_run(results, _versions(workflow), _say))


def run_ends(workflow, results: str) -> None:
    """Write `manifest.json` of the experiment, after a run that succeeded or failed."""

    def write() -> None:
        settings = workflow.dag_settings
        update_manifest(
            results,
            declared_jobs(workflow, results),
            _versions(workflow),
            _say,
            command=_command(workflow),
            whole=not (settings.targets or settings.until or settings.omit_from),
        )

    # Jobs that Snakemake hands to another process or node run this Snakefile there too.
    if workflow.is_main_process:
        _warning_only(results, write)


def _say(text: str) -> None:
    logger.info(printable(text))


def _command(workflow) -> list[str]:
    """Return the call of Snakemake with this run's configuration, for another one in the working directory."""
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
    """Return a value as Snakemake's option --config reads it: nothing for none, Python's words for flags, else JSON."""
    if value is None:
        return ""
    return str(value) if isinstance(value, bool | str) else json.dumps(value)


def declared_jobs(workflow, results: str) -> list[Declared]:
    """Return every job of the DAG that has outputs, as it is declared now."""
    modules = _modules()
    return [_declared(workflow, job, results, modules) for job in workflow.dag.jobs if job.output]


def _declared(workflow, job, results: str, modules: dict[str, list[str]]) -> Declared:
    params = dict(job.params.items())
    texts = [value for value in params.values() if isinstance(value, str)]
    seconds, peak, ended = _benchmark(job.benchmark)
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
        peak_mib=peak,
        ended=ended,
        finished=_finished(workflow, job, state),
        state=state,
    )


def _state(workflow, job) -> str:
    dag = workflow.dag
    if dag.needrun(job) and not workflow.touch:
        return "ran" if dag.finished(job) else "waiting"
    # With other --rerun-triggers, a job stays though it was made with other parameters.
    return "unsure" if workflow.persistence.params_changed(job) else "done"


def _finished(workflow, job, state: str) -> float | None:
    """Return the time of the newest output when the job ended."""
    if state == "ran":
        # What Snakemake stores as well, but may not have read again yet.
        times = [Path(path).stat().st_mtime for path in job.output if Path(path).exists()]
    else:
        records = [workflow.persistence.metadata(path) for path in job.output]
        times = [record.endtime for record in records if record is not None and record.endtime is not None]
    return max(times) if len(times) == len(job.output) else None


def _benchmark(path: str | None) -> tuple[float | None, float | None, float | None]:
    """Return wall seconds, peak memory in MiB and the time of a benchmark file, None for what it does not say."""
    if path is None or not Path(path).is_file():
        return None, None, None
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    last = rows[-1] if rows else {}
    return _number(last.get("s")), _number(last.get("max_rss")), Path(path).stat().st_mtime


def _number(text: str | None) -> float | None:
    # Snakemake writes NA, or - in older versions, for jobs too short to measure.
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
    """Return the modules behind every hash of code that the rules can have among their params."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("rules/*.smk"))
    calls = [re.findall(r'"(tgl[\w.]*)"', call) for call in re.findall(r"\bcode\(([^)]*)\)", text)]
    calls += [[f"tgl.train.baselines.{name}"] for name in set(BASELINE_MODULES.values())]
    return {code_hash(*modules): modules for modules in calls}


def _versions(workflow) -> dict[str, str] | None:
    """Return the versions that jobs have; not known where each has a conda environment of its own."""
    conda = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    return None if conda else installed_versions()


def _warning_only(results: str, act) -> None:
    """A finished run must not fail for its manifest; AttributeError: a Snakemake that keeps its jobs elsewhere."""
    try:
        act()
    except (TglError, WorkflowError, OSError, AttributeError) as error:
        logger.warning(printable(f"{results}/manifest.json was not written: {type(error).__name__}: {error}"))
