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
        base_pages=lambda wildcards, input: [
            f"--base-pages {path}" for path in input.base_pages
        ],
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
        "python -m tgl snapshot-probes {input.old} {input.new} {input.diff} --period {wildcards.period} "
        "{params.base_pages} --output {output} --language {params.language:q} "
        "--holdout-share {params.holdout_share} --config {params.config:q} > {log} 2>&1"


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
        facts=lambda wildcards, input: f"--facts {input.facts}" if input.facts else "",
        wikidata=lambda wildcards, input: (
            f"--wikidata {input.wikidata}" if input.wikidata else ""
        ),
        base_pages=lambda wildcards, input: [
            f"--base-pages {path}" for path in input.base_pages
        ],
        snapshots=lambda wildcards, input: [
            f"--snapshots {path}" for path in input.snapshots
        ],
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
        "python -m tgl probes {params.dates} {params.base_pages} {params.facts} {params.wikidata} {params.snapshots} "
        "--output {output} "
        "--holdout-share {params.holdout_share} --config {params.config:q} > {log} 2>&1"


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
            "python -m tgl wikidata {input.file:q} {params.dates} --output {output} "
            "--config {params.config:q} > {log} 2>&1"
