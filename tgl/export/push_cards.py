"""Write the cards of a push to the Hub: of a checkpoint, of several dataset folders together, and of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import yaml

from tgl.core.json_text import read_json
from tgl.core.layout import field_of
from tgl.export.card import settings_of, template
from tgl.export.kinds import Table
from tgl.export.markdown import Markdown, markdown
from tgl.export.sources import sources_of
from tgl.provenance.explain import config_keys
from tgl.provenance.manifest import File, Job, Manifest


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in the manifest: its folder relative to the results, the job that made it, and its files."""

    folder: str
    job: Job
    files: list[File]


def model_card(results: Path, repository: str, checkpoint: Checkpoint, *, manifest: Manifest) -> str:
    """Return the card of a checkpoint as Markdown.

    Args:
        results: Folder of the experiment.
        repository: NAMESPACE/NAME of the repository.
        checkpoint: The checkpoint.
        manifest: Manifest of the experiment.

    Raises:
        TglError: If a table between the sources and the checkpoint cannot be read.
    """
    job, experiment = checkpoint.job, results.resolve().name
    base = _base_job(job, manifest)
    names = {PurePosixPath(file.path).name for file in checkpoint.files}
    sources = sources_of(results, [Table(file, job, "", 0) for file in checkpoint.files[:1]], manifest)
    if period := field_of("model", checkpoint.folder, "period"):
        # The job reads all periods, but this checkpoint comes before the later ones.
        sources = replace(sources, dumps=[dump for dump in sources.dumps if dump.wanted <= period])
    facts = _facts(checkpoint, base)
    kind = str(read_json(results / checkpoint.folder / "config.json").get("model_type", "")) if (
        "config.json" in names
    ) else ""  # fmt: skip
    header = {"license": "unknown", "library_name": "transformers", "pipeline_tag": "text-generation",
              "tags": ["tgl", "continual-pretraining"]}  # fmt: skip
    if sources.languages:
        header["language"] = sources.languages
    if base and (name := _hub_name(base)):
        header["base_model"] = name
    if "adapter_config.json" in names:
        header["library_name"] = "peft"
    return template("model_card.md.j2").render(
        header=Markdown(_yaml(header)),
        title=f"{experiment}: {facts['method']}, seed {facts['seed']}, {facts['period']}",
        experiment=experiment,
        repository=repository,
        # The types of tgl have modules of their names.
        module=f"tgl.models.{kind.removeprefix('tgl_')}" if kind in ("tgl_gru", "tgl_k_adapter") else "",
        adapter="adapter_config.json" in names,
        facts=facts,
        sources=sources,
        world=sources.world and list(config_keys(sources.world.config.get("config", {}))),
        jobs=[job] if base in (None, job) else [base, job],
        versions=manifest.versions.get(job.versions or "", {}),
        settings=settings_of(job),
        files=checkpoint.files,
    )


def _base_job(job: Job, manifest: Manifest) -> Job | None:
    """Return the job that made the base model of a job; None if the manifest does not have it."""
    if job.rule == "base":
        return job
    makers = manifest.makers()
    found = (makers[read.path] for read in job.inputs if read.path in makers)
    return next((maker for maker in found if maker.rule == "base"), None)


def _facts(checkpoint: Checkpoint, base: Job | None) -> dict[str, str]:
    """Return what the table of the card says about the training."""
    job, folder = checkpoint.job, checkpoint.folder
    names = job.wildcards
    if job.rule == "base":
        step = field_of("kept_model", folder, "step")
        rate = job.config.get("config", {}).get("pretrain", {}).get("learning_rate", "not recorded")
        period = "base text" if step is None else f"base text, after step {step}"
        method, plan = "pretraining of the base model", "none"
    else:
        rate, period = names.get("rate", "not recorded"), field_of("model", folder, "period")
        plan = names.get("plan", "not recorded")
        method = f"{plan} with the baseline {names.get('baseline', 'not recorded')}"
    return {
        "model": PurePosixPath(folder).parts[1],
        "base model": _base_name(base),
        "method": method,
        "plan": plan,
        "learning rate": str(rate),
        "seed": names.get("seed", "not recorded"),
        "period": str(period),
        "checkpoint": folder,
    }


def _base_name(base: Job | None) -> str:
    if base is None:
        return "not recorded"
    config = base.config.get("config", {})
    if config.get("load"):
        return f"{settings_of(base).get('load')}, loaded with its weights"
    return f"{config.get('architecture', 'not recorded')}, pretrained from scratch on the base text"


def _hub_name(base: Job) -> str | None:
    """Return the name on the Hub of the model that a job loaded; None for a folder or a model from scratch."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    name = base.config.get("config", {}).get("load")
    if not isinstance(name, str) or Path(name).is_dir():
        return None
    try:
        validate_repo_id(name)
    except HFValidationError:
        return None
    return name


def dataset_card(folders: Iterable[Path], repository: str, experiment: str) -> str:
    """Return the card of a dataset repository whose folders each have the card of one kind of table.

    Each configuration of a folder becomes a configuration `folder-configuration` of the repository.

    Args:
        folders: Dataset folders that `tgl.export.hub.export_hub` wrote.
        repository: NAMESPACE/NAME of the repository.
        experiment: Name of the experiment.
    """
    configs, licences, languages, lines = [], {}, {}, []
    for folder in folders:
        text = (folder / "README.md").read_text(encoding="utf-8")
        head = yaml.safe_load(text.split("---\n", 2)[1])
        licences |= dict.fromkeys(_listed(head["license"]))
        languages |= dict.fromkeys(head.get("language", ()))
        for config in head["configs"]:
            files = [file | {"path": f"{folder.name}/{file['path']}"} for file in config["data_files"]]
            name = f"{folder.name}-{config['config_name']}"
            configs.append(
                {"config_name": name, **({} if configs else {"default": True}), "data_files": files}
            )
        lines.append(f"- [{folder.name}]({folder.name}/README.md)")
    header: dict = {"license": [*licences] if len(licences) > 1 else next(iter(licences))}
    if "other" in licences:
        header["license_name"] = "to-be-stated"
    if languages:
        header["language"] = [*languages]
    header |= {"pretty_name": f"Traced Gradient Layers, {experiment}", "configs": configs}
    first = configs[0]
    split = first["data_files"][0]["split"]
    return "\n".join(
        [
            f"---\n{_yaml(header)}---\n",
            f"# Experiment {markdown(experiment)}\n",
            "    from datasets import load_dataset\n",
            f'    rows = load_dataset("{repository}", "{first["config_name"]}", split="{split}")\n',
            "Each folder has one kind of table. Its card describes columns, sources, licence and limits:\n",
            *lines,
            "\nThe configurations of this repository begin with the name of the folder.\n",
        ]
    )


def report_card(experiment: str) -> str:
    """Return the card of a static Space that shows a report."""
    header = {"title": f"Report of {experiment}", "sdk": "static", "app_file": "index.html", "pinned": False}
    return (
        f"---\n{_yaml(header)}---\n\nThe report of the experiment {markdown(experiment)}, as `tgl report` wrote it. "
        "Its licence is unknown: the publisher must state it here.\n"
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _yaml(values: Mapping) -> str:
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=110)
