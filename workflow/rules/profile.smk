# Gradient norms of the base model, and the plans made from them.
PROFILE = f"{RESULTS}/profile/{CONFIG.model.name}/seed{{seed}}"
PLANS = f"{RESULTS}/plan/{CONFIG.model.name}/seed{{seed}}"


rule profile:
    input:
        model=f"{BASE_MODEL}/model.safetensors",
        probes=f"{RESULTS}/probes/probes.parquet",
        tokens=f"{RESULTS}/tokens/base.parquet",
    output:
        profile=f"{PROFILE}/{{period}}.parquet",
        norms=f"{PROFILE}/{{period}}-norms.parquet",
    params:
        folder=BASE_MODEL,
        config=section(CONFIG.profile),
        code=code("tgl.profile.stage"),
    log:
        f"{RESULTS}/logs/profile/seed{{seed}}-{{period}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/profile/seed{{seed}}-{{period}}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
    message:
        "Profiling gradients of the base model, seed {wildcards.seed}"
    conda:
        "../../envs/train.yaml"
    shell:
        "python -m tgl profile {params.folder} --probes {input.probes} --tokens {input.tokens} "
        "--period {wildcards.period} --norms {output.norms} --output {output.profile} "
        "--seed {wildcards.seed} --config {params.config:q} --threads {threads} > {log} 2>&1"


rule plan:
    input:
        # The first period's profile serves all periods.
        f"{PROFILE}/{PERIODS[0]}.parquet",
    output:
        f"{PLANS}/{{plan}}.json",
    params:
        config=section(CONFIG.plan, without=("methods",)),
        code=code("tgl.plan_stage"),
    log:
        f"{RESULTS}/logs/plan/seed{{seed}}/{{plan}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plan/seed{{seed}}/{{plan}}.tsv"
    threads: 1
    resources:
        mem_mb=500,
    message:
        "Making the plan {wildcards.plan}, seed {wildcards.seed}"
    conda:
        "../../envs/data.yaml"
    shell:
        "python -m tgl plan {input} --method {wildcards.plan} --output {output} --seed {wildcards.seed} "
        "--config {params.config:q} > {log} 2>&1"
