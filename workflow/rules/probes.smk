# Salient spans of every configured set, and those found in the snapshots' own sentences.
FACTS = [f"{RESULTS}/wiki/facts.parquet"] if "world" in CONFIG.probes.sets else []

WIKIDATA = (
    [f"{RESULTS}/probes/wikidata.jsonl"] if "wikidata" in CONFIG.probes.sets else []
)


rule snapshot_probes:
    input:
        old=lambda wildcards: f"{RESULTS}/wiki/{EXPERIMENT.before(wildcards.period)}/pages/{wildcards.shard}.parquet",
        new=f"{RESULTS}/wiki/{{period}}/pages/{{shard}}.parquet",
        diff=lambda wildcards: EXPERIMENT.diffs(wildcards.period)[int(wildcards.shard)],
        base_pages=BASE_PAGES,
    output:
        f"{RESULTS}/probes/snapshots/{{period}}/{{shard}}.parquet",
    log:
        f"{RESULTS}/logs/snapshot_probes/{{period}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/snapshot_probes/{{period}}/{{shard}}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        base_pages=lambda wildcards, input: options("--base-pages", input.base_pages),
        config=section(
            CONFIG.probes,
            without=("sets", "max_per_kind", "templama", "ecbd", "wikidata"),
        ),
        language=CONFIG.text.language,
        holdout_share=CONFIG.text.holdout_share,
        code=code("tgl.probes.snapshots"),
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
        wikidata=WIKIDATA,
        snapshots=SNAPSHOT_PROBES,
        base_pages=BASE_PAGES,
    output:
        f"{RESULTS}/probes/probes.parquet",
    log:
        f"{RESULTS}/logs/probes.log",
    benchmark:
        f"{RESULTS}/benchmarks/probes.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        facts=lambda wildcards, input: options("--facts", input.facts),
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
    message:
        "Labelling salient spans"
    shell:
        "python -m tgl probes {params.dates} {params.base_pages:q} {params.facts:q} {params.wikidata:q} {params.snapshots:q} "
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
            f"{RESULTS}/logs/wikidata.log",
        benchmark:
            f"{RESULTS}/benchmarks/wikidata.tsv"
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=4000,
        params:
            dates=DATES,
            config=section(EXPERIMENT.probes().wikidata, without=("file",)),
            code=code("tgl.probes.wikidata"),
        message:
            "Finding what held at {params.dates} in {input.file}"
        shell:
            # Options first: a path that begins with a dash is none.
            "python -m tgl wikidata --output {output:q} --config {params.config:q} "
            "-- {input.file:q} {params.dates} > {log:q} 2>&1"
