# Continual pretraining: one job a plan, learning rate and seed, through all periods.
# The method's folder names plan, baseline and learning rate; `plain` is the only baseline so far.
METHOD = "{plan}-plain-lr{rate}"
METHODS = [
    METHOD.format(plan=plan, rate=f"{rate:g}")
    for plan in CONFIG.plan.methods
    for rate in CONFIG.train.learning_rates
]
RUN_MODELS = f"{RESULTS}/models/{CONFIG.model.name}/{METHOD}/seed{{seed}}"
RUN_SCORES = f"{RESULTS}/scores/{CONFIG.model.name}/{METHOD}/seed{{seed}}"


rule train:
    input:
        model=f"{BASE_MODEL}/model.safetensors",
        base_tokens=f"{RESULTS}/tokens/base.parquet",
        tokens=list(PERIOD_TOKENS.values()),
        probes=f"{RESULTS}/probes/probes.parquet",
        plan=f"{PLANS}/{{plan}}.json",
    output:
        models=[
            f"{RUN_MODELS}/{period}/{file}"
            for period in PERIODS
            for file in ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json")
        ],
        tables=[
            f"{RUN_SCORES}/{name}.parquet" for name in ("scores", "lm_loss", "steps", "rates")
        ],
    params:
        base_model=BASE_MODEL,
        tokens=[f"--tokens {name}={path}" for name, path in PERIOD_TOKENS.items()],
        models=RUN_MODELS,
        tables=RUN_SCORES,
        # Not declared: Snakemake would delete it, and an interrupted run goes on from it.
        state=f"{RESULTS}/state/{CONFIG.model.name}/{METHOD}/seed{{seed}}",
        config=section(CONFIG.train, without=("learning_rates",)),
        token_config=section(CONFIG.tokens, without=("tokenizer", "vocab_size")),
        code=code("tgl.train.continual"),
    log:
        f"{RESULTS}/logs/train/{METHOD}/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{METHOD}/seed{{seed}}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
    message:
        "Continual pretraining by {wildcards.plan} at {wildcards.rate}, seed {wildcards.seed}"
    conda:
        "../../envs/train.yaml"
    shell:
        "python -m tgl train {params.base_model} --base-tokens {input.base_tokens} {params.tokens} "
        "--probes {input.probes} --plan {input.plan} --models {params.models} --tables {params.tables} "
        "--state {params.state} --learning-rate {wildcards.rate} --seed {wildcards.seed} "
        "--config {params.config:q} --token-config {params.token_config:q} --threads {threads} "
        "> {log} 2>&1"
