# Salient spans of every configured set.
FACTS = [f"{RESULTS}/wiki/facts.parquet"] if "world" in CONFIG.probes.sets else []


rule probes:
    input:
        files=EXPERIMENT.probe_files(),
        facts=FACTS,
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
        base_pages=lambda wildcards, input: [
            f"--base-pages {path}" for path in input.base_pages
        ],
        dates=DATES,
        config=section(EXPERIMENT.probes()),
        holdout_share=CONFIG.text.holdout_share,
        code=code("tgl.probes.stage"),
    message:
        "Labelling salient spans"
    shell:
        "python -m tgl probes {params.dates} {params.base_pages} {params.facts} --output {output} "
        "--holdout-share {params.holdout_share} --config {params.config:q} > {log} 2>&1"
