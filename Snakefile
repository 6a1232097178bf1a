# Traced Gradient Layers, from wiki dumps to a report. Settings: config.yaml, workflow/presets/, profiles/.
from snakemake.utils import min_version

min_version("9.20")


configfile: f"{workflow.basedir}/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/snapshots.smk"
include: "workflow/rules/pages.smk"
include: "workflow/rules/probes.smk"
include: "workflow/rules/tokens.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/profile.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/report.smk"


# What made every artifact: results/<experiment>/manifest.json, for `tgl verify` and `tgl explain`.
from workflow.provenance import run_begins, run_ends


onstart:
    run_begins(workflow, RESULTS)


onsuccess:
    run_ends(workflow, RESULTS)


onerror:
    run_ends(workflow, RESULTS)


rule all:
    default_target: True
    input:
        f"{RESULTS}/report/gate.txt",
