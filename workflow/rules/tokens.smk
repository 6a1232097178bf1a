# One tokenizer, and packed blocks of the base text and of each period's diff.
rule tokenizer:
    input:
        pages=BASE_PAGES,
        withheld=WITHHELD,
        given=EXPERIMENT.folder_files(CONFIG.tokens.tokenizer),
    output:
        f"{TOKENIZER}/tokenizer.json",
        f"{TOKENIZER}/tokenizer_config.json",
    log:
        path("log", job="tokenizer"),
    benchmark:
        path("benchmark", job="tokenizer")
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        folder=subpath(output[0], parent=True),
        config=section(CONFIG.tokens, without=("block_size",)),
        holdout_share=CONFIG.text.holdout_share,
        withhold=EXPERIMENT.withhold,
        code=code("tgl.text.stage"),
        withheld_code=WITHHELD_CODE,
    message:
        "Making the tokenizer"
    shell:
        "python -m tgl.jobs tokenizer {input.pages:q} {params.withhold:q} --output {params.folder:q} "
        "--holdout-share {params.holdout_share} --config {params.config:q} > {log:q} 2>&1"


rule pack_base:
    input:
        tables=BASE_PAGES,
        tokenizer=f"{TOKENIZER}/tokenizer.json",
        # It names the token that ends a document.
        tokenizer_config=f"{TOKENIZER}/tokenizer_config.json",
        withheld=WITHHELD,
    output:
        tokens=BASE_TOKENS,
        withheld=path("withheld", period=BASE),
    log:
        path("log", job="pack/base"),
    benchmark:
        path("benchmark", job="pack/base")
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        folder=subpath(input.tokenizer, parent=True),
        config=section(CONFIG.tokens, without=("tokenizer", "vocab_size")),
        holdout_share=CONFIG.text.holdout_share,
        withhold=EXPERIMENT.withhold,
        code=code("tgl.text.stage"),
        withheld_code=WITHHELD_CODE,
    message:
        "Packing the base text"
    shell:
        "python -m tgl.jobs pack {input.tables:q} --kind pages {params.withhold:q} --tokenizer {params.folder:q} --output {output.tokens:q} "
        "--withheld {output.withheld:q} --holdout-share {params.holdout_share} --config {params.config:q} > {log:q} 2>&1"


rule pack_period:
    input:
        tables=lambda wildcards: EXPERIMENT.diffs(wildcards.period),
        tokenizer=f"{TOKENIZER}/tokenizer.json",
        # It names the token that ends a document.
        tokenizer_config=f"{TOKENIZER}/tokenizer_config.json",
        withheld=WITHHELD,
    output:
        tokens=path("tokens"),
        withheld=path("withheld"),
    log:
        path("log", job="pack/{period}"),
    benchmark:
        path("benchmark", job="pack/{period}")
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        folder=subpath(input.tokenizer, parent=True),
        config=section(CONFIG.tokens, without=("tokenizer", "vocab_size")),
        holdout_share=CONFIG.text.holdout_share,
        withhold=EXPERIMENT.withhold,
        code=code("tgl.text.stage"),
        withheld_code=WITHHELD_CODE,
    message:
        "Packing the new text of {wildcards.period}"
    shell:
        "python -m tgl.jobs pack {input.tables:q} --kind diff {params.withhold:q} --tokenizer {params.folder:q} --output {output.tokens:q} "
        "--withheld {output.withheld:q} --holdout-share {params.holdout_share} --config {params.config:q} > {log:q} 2>&1"
