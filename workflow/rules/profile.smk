# Gradient norms of the base model, and the plans made from them.


rule profile:
    input:
        model=f"{BASE_MODEL}/model.safetensors",
        probes=f"{RESULTS}/probes/probes.parquet",
        tokens=f"{RESULTS}/tokens/base.parquet",
    output:
        profile=f"{RESULTS}/profile/{MODEL}/seed{{seed}}/{{period}}.parquet",
        norms=f"{RESULTS}/profile/{MODEL}/seed{{seed}}/{{period}}-norms.parquet",
    log:
        f"{RESULTS}/logs/profile/seed{{seed}}-{{period}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/profile/seed{{seed}}-{{period}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        folder=subpath(input.model, parent=True),
        config=section(CONFIG.profile),
        code=code("tgl.profile.stage"),
    message:
        "Profiling gradients of the base model, seed {wildcards.seed}"
    shell:
        "python -m tgl profile {params.folder} --probes {input.probes} --tokens {input.tokens} "
        "--period {wildcards.period} --norms {output.norms} --output {output.profile} "
        "--seed {wildcards.seed} --config {params.config:q} --threads {threads} > {log} 2>&1"


rule plan:
    input:
        PROFILE,
    output:
        PLAN,
    log:
        f"{RESULTS}/logs/plan/seed{{seed}}/{{plan}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plan/seed{{seed}}/{{plan}}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=500,
    params:
        config=section(CONFIG.plan, without=("methods",)),
        code=code("tgl.plan_stage"),
    message:
        "Making the plan {wildcards.plan}, seed {wildcards.seed}"
    shell:
        "python -m tgl plan {input} --method {wildcards.plan} --output {output} --seed {wildcards.seed} "
        "--config {params.config:q} > {log} 2>&1"
