# Gradient norms of the base model, what they agree with, and the plans made from them.


rule profile:
    input:
        model=f"{BASE_MODEL}/model.safetensors",
        probes=f"{RESULTS}/probes/probes.parquet",
        corpus=f"{RESULTS}/tokens/base.parquet",
    output:
        profile=PROFILE,
        norms=f"{PROFILE_FOLDER}/norms.parquet",
        comparisons=f"{PROFILE_FOLDER}/comparisons.parquet",
        picture=f"{PROFILE_FOLDER}/profile.svg",
        denominators=f"{PROFILE_FOLDER}/denominators.svg",
    log:
        f"{RESULTS}/logs/profile/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/profile/seed{{seed}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        model=subpath(input.model, parent=True),
        folder=subpath(output.profile, parent=True),
        period=PERIODS[0],
        config=section(CONFIG.profile, without=("periods",)),
        code=code("tgl.profiling.stage"),
        figures=code("tgl.report.profile_figures"),
    message:
        "Profiling gradients of the base model, seed {wildcards.seed}"
    shell:
        "python -m tgl profile {params.model} --probes {input.probes} --corpus {input.corpus} "
        "--period {params.period} --output {params.folder} --seed {wildcards.seed} "
        "--config {params.config:q} --threads {threads} > {log} 2>&1"


rule along:
    input:
        models=[
            f"{folder}/model.safetensors" for folder in (*ALONG.values(), BASE_MODEL)
        ],
        probes=f"{RESULTS}/probes/probes.parquet",
        corpus=f"{RESULTS}/tokens/base.parquet",
    output:
        profile=f"{ALONG_FOLDER}/along.parquet",
        examples=f"{ALONG_FOLDER}/along-examples.parquet",
    log:
        f"{RESULTS}/logs/along/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/along/seed{{seed}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        models=[
            f"--model {step}={folder}"
            for step, folder in (
                *ALONG.items(),
                (CONFIG.model.pretrain.steps, BASE_MODEL),
            )
        ],
        period=PERIODS[0],
        config=section(CONFIG.profile, without=("periods",)),
        code=code("tgl.profiling.along"),
    message:
        "Profiling along the base model's training, seed {wildcards.seed}"
    shell:
        "python -m tgl along {params.models} --probes {input.probes} --corpus {input.corpus} "
        "--period {params.period} --output {output.profile} --examples {output.examples} "
        "--seed {wildcards.seed} --config {params.config:q} --threads {threads} > {log} 2>&1"


rule agree:
    input:
        model=f"{BASE_MODEL}/model.safetensors",
        probes=f"{RESULTS}/probes/probes.parquet",
        norms=f"{PROFILE_FOLDER}/norms.parquet",
        moved=f"{FULL}/model.safetensors",
    output:
        agreement=f"{AGREE_FOLDER}/agreement.parquet",
        tracing=f"{AGREE_FOLDER}/tracing.parquet",
        movement=f"{AGREE_FOLDER}/movement.parquet",
    log:
        f"{RESULTS}/logs/agree/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/agree/seed{{seed}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        model=subpath(input.model, parent=True),
        profile=subpath(input.norms, parent=True),
        moved=subpath(input.moved, parent=True),
        folder=subpath(output.agreement, parent=True),
        config=section(CONFIG.agree),
        code=code("tgl.agreement.stage"),
    message:
        "Comparing the profile with causal tracing and with movement, seed {wildcards.seed}"
    shell:
        "python -m tgl agree {params.model} --profile {params.profile} --probes {input.probes} "
        "--moved {params.moved} --output {params.folder} --seed {wildcards.seed} "
        "--config {params.config:q} --threads {threads} > {log} 2>&1"


rule plan:
    input:
        profile=PROFILE,
        model=f"{BASE_MODEL}/model.safetensors",
        borrowed=BORROWED_PROFILE,
    output:
        PLAN,
    log:
        f"{RESULTS}/logs/plan/seed{{seed}}/{{plan}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plan/seed{{seed}}/{{plan}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=500,
    params:
        model=subpath(input.model, parent=True),
        borrowed="--borrowed" if BORROWED_PROFILE else "",
        config=section(CONFIG.plan),
        code=code("tgl.plans.stage"),
        spectrum=code("tgl.plans.spectrum"),
    message:
        "Making the plan {wildcards.plan}, seed {wildcards.seed}"
    shell:
        "python -m tgl plan {input.profile} --model {params.model} {params.borrowed} {input.borrowed:q} "
        "--method {wildcards.plan} --output {output} --seed {wildcards.seed} --config {params.config:q} > {log} 2>&1"
