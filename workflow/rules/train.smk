# Continual pretraining: one job a plan, learning rate and seed, through all periods.


rule train:
    input:
        model=f"{BASE_MODEL}/model.safetensors",
        base_tokens=f"{RESULTS}/tokens/base.parquet",
        tokens=list(PERIOD_TOKENS.values()),
        probes=f"{RESULTS}/probes/probes.parquet",
        profile=PROFILE,
        plan=PLAN,
    output:
        models=[
            f"{RUN_MODELS}/{period}/{file}"
            for period in PERIODS
            for file in MODEL_FILES
        ],
        scores=f"{RUN_SCORES}/scores.parquet",
        lm_loss=f"{RUN_SCORES}/lm_loss.parquet",
        steps=f"{RUN_SCORES}/steps.parquet",
        rates=f"{RUN_SCORES}/rates.parquet",
        drift=f"{RUN_SCORES}/drift.parquet",
    log:
        f"{RESULTS}/logs/train/{METHOD}/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{METHOD}/seed{{seed}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        processes=1,
        nodes=1,
    params:
        base_model=subpath(input.model, parent=True),
        tokens=options("--tokens", named(PERIOD_TOKENS)),
        models=subpath(output[0], ancestor=2),
        tables=subpath(output.scores, parent=True),
        # Not declared: Snakemake would delete it, and an interrupted run goes on from it.
        state=f"{RESULTS}/state/{MODEL}/{METHOD}/seed{{seed}}",
        config=section(CONFIG.train, without=("learning_rates",)),
        token_config=section(CONFIG.tokens, without=("tokenizer", "vocab_size")),
        profile_config=section(CONFIG.profile),
        plan_config=section(CONFIG.plan),
        baseline_config=baseline_section(CONFIG.baselines),
        code=code("tgl.train.continual"),
        baseline_code=lambda wildcards: baseline_code(wildcards.baseline),
    message:
        "Continual pretraining by {wildcards.plan} on {wildcards.baseline} at {wildcards.rate}, seed {wildcards.seed}"
    shell:
        # In place of the shell, which would die of a SIGTERM to both before the state is saved.
        "exec python -m tgl train {params.base_model:q} --base-tokens {input.base_tokens:q} {params.tokens:q} "
        "--probes {input.probes:q} --profile {input.profile:q} --plan {input.plan:q} "
        "--baseline {wildcards.baseline} --baseline-config {params.baseline_config:q} --models {params.models:q} --tables {params.tables:q} "
        "--state {params.state:q} --learning-rate {wildcards.rate} --seed {wildcards.seed} "
        "--config {params.config:q} --token-config {params.token_config:q} "
        "--profile-config {params.profile_config:q} --plan-config {params.plan_config:q} --threads {threads} "
        "--processes {resources.processes} --nodes {resources.nodes} > {log:q} 2>&1"
