# Helpers of all rules. This file defines no rule.
import sys
from pathlib import Path

sys.path.insert(0, ROOT)
from tgl.core.layout import BASE
from workflow.environment import offer_artifacts, set_environment
from workflow.helpers import (
    Experiment,
    architecture_code,
    baseline_code,
    code,
    method_folder,
    named,
    options,
    policy_code,
    probe_set_code,
    source_code,
    split_baseline,
)
from workflow.locks import clear_stale_locks, hold
from workflow.sections import baseline_section, engine_section, section

set_environment(workflow, ROOT)
# Jobs read the rules again, but the run checked the files of probes before it started them.
# Files of a Snakefile that imports this one as a module may have keys of its own.
EXPERIMENT = Experiment(
    config,
    workflow.configfiles if workflow.modifier.is_main_snakefile() else [],
    check_probes=workflow.is_main_process,
)
CONFIG = EXPERIMENT.config
LAYOUT = EXPERIMENT.layout
RESULTS = LAYOUT.results
offer_artifacts(RESULTS, CONFIG.reuse)
path = LAYOUT.path
DATES, PERIODS, SHARDS = EXPERIMENT.dates, EXPERIMENT.periods, EXPERIMENT.shards

# Paths that several rules use, with wildcards in braces.
TOKENIZER = path("tokenizer")
PROBES = path("probes")
MODEL_FILES = (
    "model.safetensors",
    "model.safetensors.sha256",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
BASE_MODEL = path("base_model")
BASE_TOKENS = path("tokens", period=BASE)
PERIOD_TOKENS = {period: path("tokens", period=period) for period in PERIODS}
# The base model's profile, from the first period's probes. With profile.periods 'each', runs start from it.
PROFILE = path("profile", period=PERIODS[0])
PLAN = path("plan")
PLANS = EXPERIMENT.plan_names()
# The folder name of a method consists of plan, baseline and learning rate.
METHOD = "{plan}-{baseline}-lr{rate}"
METHODS = [method_folder(method, rate) for method, rate in CONFIG.runs]
# Weights during pretraining of the base model, by step.
ALONG = {step: path("kept_model", step=step) for step in CONFIG.model.pretrain.kept}
# Plain training at the first rate shows how far sublayers move if none is restricted.
FULL = path(
    "model",
    method=method_folder("full", CONFIG.rates_of("full")[0]),
    period=PERIODS[0],
)
BASE_PAGES = (
    [path("pages", date=BASE, shard=0)]
    if CONFIG.text.base == "json_lines"
    else [path("pages", date=DATES[0], shard=shard) for shard in SHARDS]
)

SNAPSHOT_PROBES = (
    [
        path("snapshot_probes", period=period, shard=shard)
        for period in PERIODS
        for shard in SHARDS
    ]
    if "snapshots" in CONFIG.probes.sets
    else []
)
# The probes whose sentences are excluded from all training text.
WITHHELD = [PROBES] if SNAPSHOT_PROBES and CONFIG.probes.snapshots.withhold else []
# Only experiments that exclude sentences depend on this code. Others do not train their base model again if it changes.
WITHHELD_CODE = code("tgl.text.withheld") if WITHHELD else ""

# This must not run in a job's own process, which could get the lock of the run on another node.
if workflow.is_main_process:
    clear_stale_locks(CONFIG.experiment)


wildcard_constraints:
    date=r"\d{8}",
    old=r"\d{8}",
    period=r"\d{8}",
    shard=r"\d+",
    seed=r"\d+",
    plan=r"[a-z0-9_.]+",
    baseline=r"[a-z0-9_.]+",
    rate=r"[0-9.e-]+",
