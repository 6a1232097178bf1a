# Helpers of all rules; no rule stands here.
import json
import os
import sys

sys.path.insert(0, workflow.basedir)
# Jobs find this interpreter and this package; a conda environment, when asked for, comes before it.
os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [workflow.basedir, os.environ.get("PYTHONPATH")])
)
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from workflow.helpers import Experiment, clear_stale_locks, code, section

EXPERIMENT = Experiment(config)
CONFIG = EXPERIMENT.config
RESULTS = EXPERIMENT.results
DATES, PERIODS, SHARDS = EXPERIMENT.dates, EXPERIMENT.periods, EXPERIMENT.shards
BASE = DATES[0]
MODEL_RESULTS = f"{RESULTS}/{{kind}}/{CONFIG.model.name}"

clear_stale_locks(CONFIG.experiment)


wildcard_constraints:
    date=r"\d{8}",
    old=r"\d{8}",
    period=r"\d{8}",
    shard=r"\d+",
    seed=r"\d+",
    plan=r"[a-z_]+",
    rate=r"[0-9.e-]+",
