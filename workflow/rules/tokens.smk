# One tokenizer, and packed blocks of the base text and of each period's diff.
TOKENIZER = f"{RESULTS}/tokens/tokenizer"


rule tokenizer:
    input:
        BASE_PAGES,
    output:
        f"{TOKENIZER}/tokenizer.json",
        f"{TOKENIZER}/tokenizer_config.json",
    params:
        folder=TOKENIZER,
        config=section(CONFIG.tokens, without=("block_size",)),
        holdout_share=CONFIG.text.holdout_share,
        code=code("tgl.text.stage"),
    log:
        f"{RESULTS}/logs/tokenizer.log",
    benchmark:
        f"{RESULTS}/benchmarks/tokenizer.tsv"
    threads: 1
    resources:
        mem_mb=2000,
    message:
        "Making the tokenizer"
    conda:
        "../../envs/train.yaml"
    shell:
        "python -m tgl tokenizer {input} --output {params.folder} "
        "--holdout-share {params.holdout_share} --config {params.config:q} > {log} 2>&1"


rule pack_base:
    input:
        tables=BASE_PAGES,
        tokenizer=f"{TOKENIZER}/tokenizer.json",
    output:
        f"{RESULTS}/tokens/base.parquet",
    params:
        folder=TOKENIZER,
        config=section(CONFIG.tokens, without=("tokenizer", "vocab_size")),
        holdout_share=CONFIG.text.holdout_share,
        code=code("tgl.text.stage"),
    log:
        f"{RESULTS}/logs/pack/base.log",
    benchmark:
        f"{RESULTS}/benchmarks/pack/base.tsv"
    threads: 1
    resources:
        mem_mb=2000,
    message:
        "Packing the base text"
    conda:
        "../../envs/train.yaml"
    shell:
        "python -m tgl pack {input.tables} --kind pages --tokenizer {params.folder} --output {output} "
        "--holdout-share {params.holdout_share} --config {params.config:q} > {log} 2>&1"


def period_diffs(wildcards):
    """All shards of what is new in a period."""
    old = EXPERIMENT.before(wildcards.period)
    return [f"{RESULTS}/diff/{old}_{wildcards.period}/{shard}.parquet" for shard in SHARDS]


rule pack_period:
    input:
        tables=period_diffs,
        tokenizer=f"{TOKENIZER}/tokenizer.json",
    output:
        f"{RESULTS}/tokens/{{period}}.parquet",
    params:
        folder=TOKENIZER,
        config=section(CONFIG.tokens, without=("tokenizer", "vocab_size")),
        holdout_share=CONFIG.text.holdout_share,
        code=code("tgl.text.stage"),
    log:
        f"{RESULTS}/logs/pack/{{period}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/pack/{{period}}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
    message:
        "Packing the new text of {wildcards.period}"
    conda:
        "../../envs/train.yaml"
    shell:
        "python -m tgl pack {input.tables} --kind diff --tokenizer {params.folder} --output {output} "
        "--holdout-share {params.holdout_share} --config {params.config:q} > {log} 2>&1"
