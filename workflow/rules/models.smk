# The base model of each seed, and its scores before any continual pretraining.


rule base:
    input:
        tokenizer=f"{TOKENIZER}/tokenizer.json",
        tokens=f"{RESULTS}/tokens/base.parquet",
    output:
        model=[f"{BASE_MODEL}/{file}" for file in MODEL_FILES],
        along=[f"{folder}/{file}" for folder in ALONG.values() for file in MODEL_FILES],
        steps=f"{BASE_SCORES}/steps.parquet",
    log:
        f"{RESULTS}/logs/base/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/base/seed{{seed}}.tsv"
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
        # Not declared: Snakemake would delete it, and an interrupted run goes on from it.
        state=f"{RESULTS}/state/{MODEL}/base/seed{{seed}}",
        config=section(CONFIG.model, without=("name",)),
        token_config=section(CONFIG.tokens, without=("tokenizer", "vocab_size")),
        engine_config=engine_section(CONFIG.train),
        code=code("tgl.train.base"),
    message:
        "Pretraining the base model, seed {wildcards.seed}"
    shell:
        # In place of the shell, which would die of a SIGTERM to both before the state is saved.
        "exec python -m tgl base --tokenizer {params.tokenizer:q} --tokens {input.tokens:q} --output {params.folder:q} "
        "--steps {output.steps:q} --state {params.state:q} --seed {wildcards.seed} --threads {threads} "
        "--config {params.config:q} --token-config {params.token_config:q} "
        "--engine-config {params.engine_config:q} "
        "--processes {resources.processes} --nodes {resources.nodes} > {log:q} 2>&1"


rule score_base:
    input:
        model=f"{BASE_MODEL}/model.safetensors",
        probes=f"{RESULTS}/probes/probes.parquet",
        base_tokens=f"{RESULTS}/tokens/base.parquet",
        tokens=list(PERIOD_TOKENS.values()),
    output:
        scores=f"{BASE_SCORES}/scores.parquet",
        lm_loss=f"{BASE_SCORES}/lm_loss.parquet",
    log:
        f"{RESULTS}/logs/score_base/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/score_base/seed{{seed}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        folder=subpath(input.model, parent=True),
        text=options("--text", named(PERIOD_TOKENS)),
        checkpoint=BASE,
        config=section(CONFIG.tokens, without=("tokenizer", "vocab_size")),
        code=code("tgl.evaluate.stage"),
    message:
        "Scoring the base model, seed {wildcards.seed}"
    shell:
        "python -m tgl score {params.folder:q} --probes {input.probes:q} --text base={input.base_tokens:q} "
        "{params.text:q} --checkpoint {params.checkpoint} --scores {output.scores:q} --lm-loss {output.lm_loss:q} "
        "--config {params.config:q} --threads {threads} > {log:q} 2>&1"
