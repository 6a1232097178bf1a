# Clean text of each date and shard, and what is new in each against the date before.
rule pages:
    input:
        files=f"{RESULTS}/wiki/{{date}}/files.parquet",
        previous=EXPERIMENT.previous_pages,
    output:
        f"{RESULTS}/wiki/{{date}}/pages/{{shard}}.parquet",
    log:
        f"{RESULTS}/logs/pages/{{date}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/pages/{{date}}/{{shard}}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 4
    resources:
        mem_mb=4000,
    params:
        previous=lambda wildcards, input: (
            f"--previous {input.previous}" if input.previous else ""
        ),
        config=section(CONFIG.pages),
        code=code("tgl.wiki.pages"),
    message:
        "Extracting the text of {wildcards.date}, shard {wildcards.shard}"
    shell:
        "python -m tgl pages {input.files} {params.previous} --shard {wildcards.shard} --output {output} "
        "--processes {threads} --config {params.config:q} > {log} 2>&1"


rule diff:
    input:
        old=f"{RESULTS}/wiki/{{old}}/pages/{{shard}}.parquet",
        new=f"{RESULTS}/wiki/{{period}}/pages/{{shard}}.parquet",
    output:
        f"{RESULTS}/diff/{{old}}_{{period}}/{{shard}}.parquet",
    log:
        f"{RESULTS}/logs/diff/{{old}}_{{period}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/diff/{{old}}_{{period}}/{{shard}}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        config=section(
            CONFIG.text,
            without=("base", "json_lines", "max_characters", "holdout_share"),
        ),
        code=code("tgl.diff.snapshots"),
    message:
        "Comparing {wildcards.old} with {wildcards.period}, shard {wildcards.shard}"
    shell:
        "python -m tgl diff {input.old} {input.new} --output {output} "
        "--config {params.config:q} > {log} 2>&1"


if CONFIG.text.base == "json_lines":

    rule base_text:
        input:
            EXPERIMENT.data(CONFIG.text.json_lines),
        output:
            BASE_PAGES,
        log:
            f"{RESULTS}/logs/base_text.log",
        benchmark:
            f"{RESULTS}/benchmarks/base_text.tsv"
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=1000,
        params:
            config=section(
                CONFIG.text, without=("holdout_share", "language", "diff_rule")
            ),
            code=code("tgl.text.documents"),
        message:
            "Reading the base text from {input}"
        shell:
            "python -m tgl base-text {input:q} --output {output} --config {params.config:q} > {log} 2>&1"
