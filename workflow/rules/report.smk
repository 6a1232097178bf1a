# The report, and the gate, which fails when it is binding and was missed.
rule report:
    input:
        files=expand("{results}/wiki/{date}/files.parquet", results=RESULTS, date=DATES),
        diffs=[path for period in PERIODS for path in EXPERIMENT.diffs(period)],
        probes=f"{RESULTS}/probes/probes.parquet",
        profiles=expand(PROFILE, seed=CONFIG.seeds),
        agreement=expand(f"{AGREE_FOLDER}/agreement.parquet", seed=CONFIG.seeds),
        along=expand(
            f"{ALONG_FOLDER}/along.parquet", seed=CONFIG.seeds if ALONG else []
        ),
        plans=expand(PLAN, seed=CONFIG.seeds, plan=CONFIG.plans),
        base=expand(f"{BASE_SCORES}/scores.parquet", seed=CONFIG.seeds),
        scores=[
            f"{RESULTS}/scores/{MODEL}/{method}/seed{seed}/scores.parquet"
            for method in METHODS
            for seed in CONFIG.seeds
        ],
    output:
        page=report(f"{RESULTS}/report/index.html", category="Report"),
        examples=report(f"{RESULTS}/report/examples.html", category="Report"),
        measures=f"{RESULTS}/report/measures.csv",
        summary=f"{RESULTS}/report/summary.csv",
        gate=f"{RESULTS}/report/gate.json",
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        results=subpath(output.page, ancestor=2),
        folder=subpath(output.page, parent=True),
        config=section(CONFIG),
        code=code("tgl.report.stage"),
    message:
        "Writing the report"
    shell:
        "python -m tgl report {params.results:q} --output {params.folder:q} --config {params.config:q} > {log:q} 2>&1"


rule gate:
    input:
        gate=f"{RESULTS}/report/gate.json",
        page=f"{RESULTS}/report/index.html",
    output:
        f"{RESULTS}/report/gate.txt",
    log:
        f"{RESULTS}/logs/gate.log",
    benchmark:
        f"{RESULTS}/benchmarks/gate.tsv"
    retries: 0
    # Not submitted to a cluster, and not tried again: it fails when a binding gate was missed.
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
    params:
        binding="--binding" if CONFIG.gate.binding else "--no-binding",
        code=code("tgl.report.gate"),
    message:
        "Checking the gates of the report"
    shell:
        "python -m tgl gate {input.gate:q} {params.binding} > {output:q} 2> {log:q}"
