# The base model of each seed, and its scores before continual pretraining.


rule base:
    input:
        tokenizer=f"{TOKENIZER}/tokenizer.json",
        tokenizer_config=f"{TOKENIZER}/tokenizer_config.json",
        tokens=BASE_TOKENS,
        given=EXPERIMENT.model_files(CONFIG.model.load),
    output:
        model=[f"{BASE_MODEL}/{file}" for file in MODEL_FILES],
        along=[f"{folder}/{file}" for folder in ALONG.values() for file in MODEL_FILES],
        steps=path("steps", method=BASE),
    log:
        path("log", job="base/seed{seed}"),
    benchmark:
        path("benchmark", job="base/seed{seed}")
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        processes=1,
        nodes=1,
    params:
        tokenizer=subpath(input.tokenizer, parent=True),
        folder=subpath(output[0], parent=True),
        # The state is not a declared output, because Snakemake would delete it. An interrupted run resumes from it.
        state=path("state", method=BASE),
        config=section(CONFIG.model, without=("name",)),
        token_config=section(CONFIG.tokens, without=("tokenizer", "vocab_size")),
        engine_config=engine_section(CONFIG.train),
        code=code("tgl.train.base"),
        architecture=architecture_code(CONFIG.model.architecture),
    message:
        "Pretraining the base model, seed {wildcards.seed}"
    shell:
        # The command replaces the shell. A SIGTERM to both would end the shell before the state is saved.
        "exec python -m tgl.jobs base --tokenizer {params.tokenizer:q} --tokens {input.tokens:q} --output {params.folder:q} "
        "--steps {output.steps:q} --state {params.state:q} --seed {wildcards.seed} --threads {threads} "
        "--config {params.config:q} --token-config {params.token_config:q} "
        "--engine-config {params.engine_config:q} "
        "--processes {resources.processes} --nodes {resources.nodes} > {log:q} 2>&1"


rule score_base:
    input:
        model=f"{BASE_MODEL}/model.safetensors",
        probes=PROBES,
        base_tokens=BASE_TOKENS,
        tokens=list(PERIOD_TOKENS.values()),
    output:
        scores=path("scores", method=BASE),
        lm_loss=path("lm_loss", method=BASE),
        generations=path("generations", method=BASE),
    log:
        path("log", job="score_base/seed{seed}"),
    benchmark:
        path("benchmark", job="score_base/seed{seed}")
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        folder=subpath(input.model, parent=True),
        output=subpath(output.scores, parent=True),
        text=options("--text", named(PERIOD_TOKENS)),
        checkpoint=DATES[0],
        config=section(CONFIG.tokens, without=("tokenizer", "vocab_size")),
        code=code("tgl.evaluate.stage"),
    message:
        "Scoring the base model, seed {wildcards.seed}"
    shell:
        "python -m tgl.jobs score {params.folder:q} --probes {input.probes:q} --text base={input.base_tokens:q} "
        "{params.text:q} --checkpoint {params.checkpoint} --output {params.output:q} "
        "--config {params.config:q} --threads {threads} > {log:q} 2>&1"
