# Continual pretraining: one job per method, learning rate and seed, through all periods.


rule train:
    input:
        model=f"{BASE_MODEL}/model.safetensors",
        base_tokens=BASE_TOKENS,
        tokens=list(PERIOD_TOKENS.values()),
        probes=PROBES,
        profile=PROFILE,
        plan=PLAN,
    output:
        models=[
            f"{folder}/{file}"
            for folder in expand(
                path("model", method=METHOD),
                period=PERIODS if CONFIG.train.keep_models else [],
                allow_missing=True,
            )
            for file in MODEL_FILES
        ],
        step_tables=(
            [path("step_scores", method=METHOD), path("step_losses", method=METHOD)]
            if CONFIG.train.score_at
            else []
        ),
        scores=path("scores", method=METHOD),
        lm_loss=path("lm_loss", method=METHOD),
        generations=path("generations", method=METHOD),
        steps=path("steps", method=METHOD),
        rates=path("rates", method=METHOD),
        drift=path("drift", method=METHOD),
    log:
        path("log", job=f"train/{METHOD}/seed{{seed}}"),
    benchmark:
        path("benchmark", job=f"train/{METHOD}/seed{{seed}}")
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
        models=lambda wildcards, output: options(
            "--models", str(Path(output.models[0]).parents[1]) if output.models else []
        ),
        tables=subpath(output.scores, parent=True),
        # The state is not a declared output, because Snakemake would delete it. An interrupted run resumes from it.
        state=path("state", method=METHOD),
        config=section(
            CONFIG.train, without=("learning_rates", "method_rates", "keep_models")
        ),
        token_config=section(CONFIG.tokens, without=("tokenizer", "vocab_size")),
        profile_config=section(CONFIG.profile),
        plan_config=section(CONFIG.plan),
        baseline=lambda wildcards: split_baseline(wildcards.baseline)[0],
        baseline_config=baseline_section(CONFIG.baselines),
        code=code("tgl.train.continual"),
        baseline_code=lambda wildcards: baseline_code(wildcards.baseline),
        # With profile.periods 'each', a run makes new plans.
        policy_code=lambda wildcards: (
            policy_code(wildcards.plan) if CONFIG.profile.periods == "each" else ""
        ),
    message:
        "Continual pretraining by {wildcards.plan} on {wildcards.baseline} at {wildcards.rate}, seed {wildcards.seed}"
    shell:
        # The command replaces the shell. A SIGTERM to both would end the shell before the state is saved.
        "exec python -m tgl.jobs train {params.base_model:q} --base-tokens {input.base_tokens:q} {params.tokens:q} "
        "--probes {input.probes:q} --profile {input.profile:q} --plan {input.plan:q} "
        "--baseline {params.baseline} --baseline-config {params.baseline_config:q} {params.models:q} --tables {params.tables:q} "
        "--state {params.state:q} --learning-rate {wildcards.rate} --seed {wildcards.seed} "
        "--config {params.config:q} --token-config {params.token_config:q} "
        "--profile-config {params.profile_config:q} --plan-config {params.plan_config:q} --threads {threads} "
        "--processes {resources.processes} --nodes {resources.nodes} > {log:q} 2>&1"
