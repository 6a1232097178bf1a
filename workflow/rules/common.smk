# Helpers of all rules; no rule stands here.
import sys

sys.path.insert(0, workflow.basedir)
from workflow.helpers import (
    Experiment,
    baseline_code,
    baseline_section,
    clear_stale_locks,
    code,
    engine_section,
    method_folder,
    named,
    options,
    section,
    set_environment,
)

set_environment(workflow.basedir)
EXPERIMENT = Experiment(config, workflow.configfiles)
CONFIG = EXPERIMENT.config
RESULTS = EXPERIMENT.results
DATES, PERIODS, SHARDS = EXPERIMENT.dates, EXPERIMENT.periods, EXPERIMENT.shards
BASE = DATES[0]
MODEL = CONFIG.model.name

# Where things lie that several rules name; wildcards in braces.
TOKENIZER = f"{RESULTS}/tokens/tokenizer"
MODEL_FILES = (
    "model.safetensors",
    "model.safetensors.sha256",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
BASE_MODEL = f"{RESULTS}/models/{MODEL}/base/seed{{seed}}"
BASE_SCORES = f"{RESULTS}/scores/{MODEL}/base/seed{{seed}}"
PERIOD_TOKENS = {period: f"{RESULTS}/tokens/{period}.parquet" for period in PERIODS}
# The base model's profile, from the first period's probes; with profile.periods 'each', runs go on from it.
PROFILE_FOLDER = f"{RESULTS}/profile/{MODEL}/seed{{seed}}/{PERIODS[0]}"
PROFILE = f"{PROFILE_FOLDER}/profile.parquet"
# That of another experiment with the same model, for plans named .borrowed.
BORROWED_PROFILE = (
    f"{CONFIG.plan.borrow}/profile/{MODEL}/seed{{seed}}/{PERIODS[0]}/profile.parquet"
    if CONFIG.plan.borrow
    else []
)
ALONG_FOLDER = f"{RESULTS}/profile/{MODEL}/seed{{seed}}"
AGREE_FOLDER = f"{RESULTS}/agree/{MODEL}/seed{{seed}}"
PLAN = f"{RESULTS}/plan/{MODEL}/seed{{seed}}/{{plan}}.json"
# A method's folder names plan, baseline and learning rate.
METHOD = "{plan}-{baseline}-lr{rate}"
METHODS = [
    method_folder(method, rate)
    for method in CONFIG.methods
    for rate in CONFIG.train.learning_rates
]
RUN_MODELS = f"{RESULTS}/models/{MODEL}/{METHOD}/seed{{seed}}"
RUN_SCORES = f"{RESULTS}/scores/{MODEL}/{METHOD}/seed{{seed}}"
# Weights on the way to the base model, by step.
ALONG = {step: f"{BASE_MODEL}/along/{step}" for step in CONFIG.model.pretrain.kept}
# Plain training at the first rate: how far sublayers move when none is held back.
FULL = f"{RESULTS}/models/{MODEL}/{method_folder('full', CONFIG.train.learning_rates[0])}/seed{{seed}}/{PERIODS[0]}"
BASE_PAGES = (
    [f"{RESULTS}/wiki/base/pages/0.parquet"]
    if CONFIG.text.base == "json_lines"
    else [f"{RESULTS}/wiki/{BASE}/pages/{shard}.parquet" for shard in SHARDS]
)

SNAPSHOT_PROBES = (
    expand(
        "{results}/probes/snapshots/{period}/{shard}.parquet",
        results=RESULTS,
        period=PERIODS,
        shard=SHARDS,
    )
    if "snapshots" in CONFIG.probes.sets
    else []
)
# The probes whose sentences no training text holds.
WITHHELD = (
    [f"{RESULTS}/probes/probes.parquet"]
    if SNAPSHOT_PROBES and CONFIG.probes.snapshots.withhold
    else []
)
# Only there, so that another way of splitting sentences does not make other experiments train their base anew.
WITHHELD_CODE = code("tgl.text.withheld") if WITHHELD else ""

# Not in a job's own process, which on another node would get a lock that is none of its business.
if workflow.is_main_process:
    clear_stale_locks(CONFIG.experiment)


wildcard_constraints:
    date=r"\d{8}",
    old=r"\d{8}",
    period=r"\d{8}",
    shard=r"\d+",
    seed=r"\d+",
    plan=r"[a-z0-9_.]+",
    baseline=r"[a-z_]+",
    rate=r"[0-9.e-]+",
