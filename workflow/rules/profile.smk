# Gradient norms of the base model, their agreement with other measures, and the plans made from them.


rule profile:
    input:
        model=f"{BASE_MODEL}/model.safetensors",
        probes=PROBES,
        corpus=BASE_TOKENS,
    output:
        profile=PROFILE,
        norms=path("norms", period=PERIODS[0]),
        comparisons=path("comparisons", period=PERIODS[0]),
        picture=path("profile_picture", period=PERIODS[0]),
        denominators=path("denominators_picture", period=PERIODS[0]),
    log:
        path("log", job="profile/seed{seed}"),
    benchmark:
        path("benchmark", job="profile/seed{seed}")
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
        # The code of the figures is not included: no table depends on it, and the report draws the figures again.
        code=code("tgl.profiling.measure"),
    message:
        "Profiling gradients of the base model, seed {wildcards.seed}"
    shell:
        "python -m tgl.jobs profile {params.model:q} --probes {input.probes:q} --corpus {input.corpus:q} "
        "--period {params.period} --output {params.folder:q} --seed {wildcards.seed} "
        "--config {params.config:q} --threads {threads} > {log:q} 2>&1"


rule along:
    input:
        models=[
            f"{folder}/model.safetensors" for folder in (*ALONG.values(), BASE_MODEL)
        ],
        probes=PROBES,
        corpus=BASE_TOKENS,
    output:
        profile=path("along"),
        examples=path("along_examples"),
    log:
        path("log", job="along/seed{seed}"),
    benchmark:
        path("benchmark", job="along/seed{seed}")
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
        folder=subpath(output.profile, parent=True),
        config=section(CONFIG.profile, without=("periods",)),
        code=code("tgl.profiling.along"),
    message:
        "Profiling along the base model's training, seed {wildcards.seed}"
    shell:
        "python -m tgl.jobs along {params.models:q} --probes {input.probes:q} --corpus {input.corpus:q} "
        "--period {params.period} --output {params.folder:q} "
        "--seed {wildcards.seed} --config {params.config:q} --threads {threads} > {log:q} 2>&1"


rule agree:
    input:
        model=f"{BASE_MODEL}/model.safetensors",
        probes=PROBES,
        norms=path("norms", period=PERIODS[0]),
        moved=f"{FULL}/model.safetensors",
    output:
        agreement=path("agreement"),
        tracing=path("tracing"),
        movement=path("movement"),
    log:
        path("log", job="agree/seed{seed}"),
    benchmark:
        path("benchmark", job="agree/seed{seed}")
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
        code=code("tgl.analysis.agreement"),
    message:
        "Comparing the profile with causal tracing and with movement, seed {wildcards.seed}"
    shell:
        "python -m tgl.jobs agree {params.model:q} --profile {params.profile:q} --probes {input.probes:q} "
        "--moved {params.moved:q} --output {params.folder:q} --seed {wildcards.seed} "
        "--config {params.config:q} --threads {threads} > {log:q} 2>&1"


rule interference:
    input:
        model=f"{BASE_MODEL}/model.safetensors",
        probes=PROBES,
        tokens=BASE_TOKENS,
    output:
        path("interference", period=PERIODS[0]),
    log:
        path("log", job="interference/seed{seed}/{salient}"),
    benchmark:
        path("benchmark", job="interference/seed{seed}/{salient}")
    wildcard_constraints:
        salient="updated|new_entity",
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        model=subpath(input.model, parent=True),
        period=PERIODS[0],
        config=section(CONFIG.profile),
        code=code("tgl.profiling.interference"),
    message:
        "Measuring uptake and interference of the sublayers, seed {wildcards.seed}"
    shell:
        "python -m tgl.jobs interference {params.model:q} --probes {input.probes:q} --tokens {input.tokens:q} "
        "--salient {wildcards.salient} --period {params.period} --output {output:q} --config {params.config:q} "
        "--threads {threads} > {log:q} 2>&1"


rule plan:
    input:
        profile=PROFILE,
        model=f"{BASE_MODEL}/model.safetensors",
        borrowed=EXPERIMENT.borrowed_profile,
        interference=EXPERIMENT.interference,
        given=EXPERIMENT.plan_file,
    output:
        PLAN,
    log:
        path("log", job="plan/seed{seed}/{plan}"),
    benchmark:
        path("benchmark", job="plan/seed{seed}/{plan}")
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=500,
    params:
        model=subpath(input.model, parent=True),
        borrowed=lambda wildcards, input: options("--borrowed", input.borrowed),
        interference=lambda wildcards, input: options(
            "--interference", input.interference
        ),
        name=lambda wildcards: PLANS[wildcards.plan],
        config=section(CONFIG.plan),
        code=code("tgl.plans.stage"),
        policy=lambda wildcards: policy_code(wildcards.plan),
    message:
        "Making the plan {wildcards.plan}, seed {wildcards.seed}"
    shell:
        "python -m tgl.jobs plan {input.profile:q} --model {params.model:q} {params.borrowed:q} {params.interference:q} "
        "--method {params.name:q} --output {output:q} --seed {wildcards.seed} --config {params.config:q} > {log:q} 2>&1"
