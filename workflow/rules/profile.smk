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
        "python -m tgl profile {params.model:q} --probes {input.probes:q} --corpus {input.corpus:q} "
        "--period {params.period} --output {params.folder:q} --seed {wildcards.seed} "
        "--config {params.config:q} --threads {threads} > {log:q} 2>&1"


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
        models=options(
            "--model", named({**ALONG, CONFIG.model.pretrain.steps: BASE_MODEL})
        ),
        period=PERIODS[0],
        config=section(CONFIG.profile, without=("periods",)),
        code=code("tgl.profiling.along"),
    message:
        "Profiling along the base model's training, seed {wildcards.seed}"
    shell:
        "python -m tgl along {params.models:q} --probes {input.probes:q} --corpus {input.corpus:q} "
        "--period {params.period} --output {output.profile:q} --examples {output.examples:q} "
        "--seed {wildcards.seed} --config {params.config:q} --threads {threads} > {log:q} 2>&1"


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
        "python -m tgl agree {params.model:q} --profile {params.profile:q} --probes {input.probes:q} "
        "--moved {params.moved:q} --output {params.folder:q} --seed {wildcards.seed} "
        "--config {params.config:q} --threads {threads} > {log:q} 2>&1"


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
        borrowed=lambda wildcards, input: options("--borrowed", input.borrowed),
        config=section(CONFIG.plan),
        code=code("tgl.plans.stage"),
        spectrum=code("tgl.plans.spectrum"),
    message:
        "Making the plan {wildcards.plan}, seed {wildcards.seed}"
    shell:
        "python -m tgl plan {input.profile:q} --model {params.model:q} {params.borrowed:q} "
        "--method {wildcards.plan} --output {output:q} --seed {wildcards.seed} --config {params.config:q} > {log:q} 2>&1"
