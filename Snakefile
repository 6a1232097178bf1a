# Traced Gradient Layers, from wiki dumps to a report. The settings are in config.yaml, workflow/presets/ and profiles/.
from snakemake.utils import min_version

min_version("9.20")


# Of this file, also where another Snakefile includes it or imports it as a module.
ROOT = workflow.current_basedir.get_path_or_uri(secret_free=True)


configfile: f"{ROOT}/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/snapshots.smk"
include: "workflow/rules/pages.smk"
include: "workflow/rules/probes.smk"
include: "workflow/rules/tokens.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/profile.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/report.smk"


# These write results/<experiment>/manifest.json, which `tgl verify` and `tgl explain` read.
from workflow.provenance import run_begins, run_ends


onstart:
    # With --nolock, users take care of this themselves.
    if workflow.is_main_process and workflow.execution_settings.lock:
        hold(CONFIG.experiment)
    run_begins(workflow, RESULTS)


onsuccess:
    run_ends(workflow, RESULTS)


onerror:
    run_ends(workflow, RESULTS)


rule all:
    default_target: True
    input:
        path("report", file="gate.txt"),
