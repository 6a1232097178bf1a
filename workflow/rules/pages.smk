# Clean text of each date and shard, and its new sentences compared with the previous date.
if CONFIG.snapshots.source == "counterfactual":

    rule counterfactual:
        input:
            EXPERIMENT.counterfactual_files(),
        output:
            files=[path("files", date=date) for date in DATES],
            pages=[path("pages", date=date, shard=0) for date in DATES],
            probes=path("counterfactual_probes"),
        log:
            path("log", job="counterfactual"),
        benchmark:
            path("benchmark", job="counterfactual")
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=2000,
        params:
            config=section(EXPERIMENT.source_settings()),
            dates=DATES,
            folder=subpath(output.probes, parent=True),
            holdout_share=CONFIG.text.holdout_share,
            validation_share=CONFIG.probes.validation_share,
            code=code("tgl.text.counterfactual.stage"),
        message:
            "Stating changed facts in the text of {params.dates}"
        shell:
            "python -m tgl.jobs counterfactual {params.dates} --output {params.folder:q} "
            "--holdout-share {params.holdout_share} --validation-share {params.validation_share} "
            "--config {params.config:q} > {log:q} 2>&1"

elif CONFIG.snapshots.source == "documents":

    rule documents:
        input:
            EXPERIMENT.collection_files,
        output:
            pages=path("pages", shard=0),
            files=path("files"),
        log:
            path("log", job="documents/{date}"),
        benchmark:
            path("benchmark", job="documents/{date}")
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=2000,
        params:
            collection=EXPERIMENT.collection,
            commit=EXPERIMENT.commit,
            config=section(EXPERIMENT.source_settings(), without=("collections",)),
            code=code("tgl.snapshots.documents.stage"),
        message:
            "Reading the documents of {wildcards.date}"
        shell:
            "python -m tgl.jobs documents {wildcards.date} {params.collection:q} --pages {output.pages:q} "
            "--files {output.files:q} --config {params.config:q} > {log:q} 2>&1"

else:

    rule pages:
        input:
            files=path("files"),
            previous=EXPERIMENT.previous_pages,
        output:
            path("pages"),
        log:
            path("log", job="pages/{date}/{shard}"),
        benchmark:
            path("benchmark", job="pages/{date}/{shard}")
        conda:
            "../../envs/data.yaml"
        threads: 4
        resources:
            mem_mb=4000,
        params:
            previous=lambda wildcards, input: options("--previous", input.previous),
            config=section(CONFIG.pages),
            code=code("tgl.snapshots.extract.pages"),
        message:
            "Extracting the text of {wildcards.date}, shard {wildcards.shard}"
        shell:
            "python -m tgl pages {input.files:q} {params.previous:q} --shard {wildcards.shard} --output {output:q} "
            "--processes {threads} --config {params.config:q} > {log:q} 2>&1"


rule diff:
    input:
        old=path("pages", date="{old}"),
        new=path("pages", date="{period}"),
    output:
        path("diff"),
    log:
        path("log", job="diff/{old}_{period}/{shard}"),
    benchmark:
        path("benchmark", job="diff/{old}_{period}/{shard}")
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
        code=code("tgl.text.diff.stage"),
    message:
        "Comparing {wildcards.old} with {wildcards.period}, shard {wildcards.shard}"
    shell:
        "python -m tgl.jobs diff {input.old:q} {input.new:q} --output {output:q} "
        "--config {params.config:q} > {log:q} 2>&1"


if CONFIG.text.base == "json_lines":

    rule base_text:
        input:
            EXPERIMENT.data(CONFIG.text.json_lines),
        output:
            BASE_PAGES,
        log:
            path("log", job="base_text"),
        benchmark:
            path("benchmark", job="base_text")
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=1000,
        params:
            config=section(
                CONFIG.text, without=("holdout_share", "language", "diff_rule")
            ),
            code=code("tgl.text.base_text"),
        message:
            "Reading the base text from {input}"
        shell:
            # Options come first, so that a path that begins with a dash is not taken for an option.
            "python -m tgl base-text --output {output:q} --config {params.config:q} -- {input:q} > {log:q} 2>&1"
