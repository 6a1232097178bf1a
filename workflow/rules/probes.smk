# Salient spans of every configured probe set, and those found in the sentences of the snapshots.
FACTS = [path("facts")] if "world" in CONFIG.probes.sets else []

COUNTERFACTUAL = (
    [path("counterfactual_probes")] if "counterfactual" in CONFIG.probes.sets else []
)
WIKIDATA = [path("wikidata")] if "wikidata" in CONFIG.probes.sets else []


rule snapshot_probes:
    input:
        old=lambda wildcards: path(
            "pages", date=EXPERIMENT.before(wildcards.period), shard=wildcards.shard
        ),
        new=path("pages", date="{period}"),
        diff=lambda wildcards: EXPERIMENT.diffs(wildcards.period)[int(wildcards.shard)],
        base_pages=BASE_PAGES,
    output:
        path("snapshot_probes"),
    log:
        path("log", job="snapshot_probes/{period}/{shard}"),
    benchmark:
        path("benchmark", job="snapshot_probes/{period}/{shard}")
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        base_pages=lambda wildcards, input: options("--base-pages", input.base_pages),
        config=section(
            CONFIG.probes,
            without=(
                "sets",
                "max_per_kind",
                "json_lines",
                "templama",
                "ecbd",
                "wikidata",
            ),
        ),
        language=CONFIG.text.language,
        holdout_share=CONFIG.text.holdout_share,
        code=code("tgl.probes.sets.snapshots"),
    message:
        "Looking for salient spans in {wildcards.period}, shard {wildcards.shard}"
    shell:
        "python -m tgl snapshot-probes {input.old:q} {input.new:q} {input.diff:q} --period {wildcards.period} "
        "{params.base_pages:q} --output {output:q} --language {params.language:q} "
        "--holdout-share {params.holdout_share} --config {params.config:q} > {log:q} 2>&1"


rule probes:
    input:
        files=EXPERIMENT.probe_files(),
        facts=FACTS,
        counterfactual=COUNTERFACTUAL,
        wikidata=WIKIDATA,
        snapshots=SNAPSHOT_PROBES,
        base_pages=BASE_PAGES,
    output:
        PROBES,
    log:
        path("log", job="probes"),
    benchmark:
        path("benchmark", job="probes")
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        facts=lambda wildcards, input: options("--facts", input.facts),
        counterfactual=lambda wildcards, input: options(
            "--counterfactual", input.counterfactual
        ),
        wikidata=lambda wildcards, input: options("--wikidata", input.wikidata),
        base_pages=lambda wildcards, input: options("--base-pages", input.base_pages),
        snapshots=lambda wildcards, input: options("--snapshots", input.snapshots),
        dates=DATES,
        config=section(
            EXPERIMENT.probes(),
            without=("wikidata", *(() if SNAPSHOT_PROBES else ("snapshots",))),
        ),
        holdout_share=CONFIG.text.holdout_share,
        code=code("tgl.probes.stage"),
        sets=probe_set_code(CONFIG.probes.sets),
    message:
        "Labelling salient spans"
    shell:
        "python -m tgl.jobs probes {params.dates} {params.base_pages:q} {params.facts:q} {params.counterfactual:q} {params.wikidata:q} {params.snapshots:q} "
        "--output {output:q} "
        "--holdout-share {params.holdout_share} --config {params.config:q} > {log:q} 2>&1"


if WIKIDATA:

    rule wikidata:
        input:
            file=EXPERIMENT.probes().wikidata.file,
            templates=EXPERIMENT.probes().wikidata.templates or [],
        output:
            WIKIDATA,
        log:
            path("log", job="wikidata"),
        benchmark:
            path("benchmark", job="wikidata")
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=4000,
        params:
            dates=DATES,
            config=section(EXPERIMENT.probes().wikidata, without=("file",)),
            code=code("tgl.probes.sets.wikidata"),
        message:
            "Finding the facts of {params.dates} in {input.file}"
        shell:
            # Options come first, so that a path that begins with a dash is not taken for an option.
            "python -m tgl wikidata --output {output:q} --config {params.config:q} "
            "-- {input.file:q} {params.dates} > {log:q} 2>&1"
