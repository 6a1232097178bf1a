# The report, and the gate that fails when the experiment cannot mean anything.
rule report:
    input:
        files=expand("{results}/wiki/{date}/files.parquet", results=RESULTS, date=DATES),
        diffs=[
            f"{RESULTS}/diff/{EXPERIMENT.before(period)}_{period}/{shard}.parquet"
            for period in PERIODS
            for shard in SHARDS
        ],
        probes=f"{RESULTS}/probes/probes.parquet",
        profiles=expand(PROFILE + "/{period}.parquet", seed=CONFIG.seeds, period=PERIODS[0]),
        plans=expand(PLANS + "/{plan}.json", seed=CONFIG.seeds, plan=CONFIG.plan.methods),
        base=expand(BASE_SCORES + "/scores.parquet", seed=CONFIG.seeds),
        scores=[
            f"{RESULTS}/scores/{CONFIG.model.name}/{method}/seed{seed}/scores.parquet"
            for method in METHODS
            for seed in CONFIG.seeds
        ],
    output:
        page=report(f"{RESULTS}/report/index.html", category="Report"),
        examples=report(f"{RESULTS}/report/examples.html", category="Report"),
        measures=f"{RESULTS}/report/measures.csv",
        summary=f"{RESULTS}/report/summary.csv",
        gate=f"{RESULTS}/report/gate.json",
    params:
        results=RESULTS,
        folder=f"{RESULTS}/report",
        # A function: the pattern {date} of local dumps is no wildcard of this rule.
        config=lambda wildcards: section(CONFIG),
        code=code("tgl.report.stage"),
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    threads: 1
    resources:
        mem_mb=1000,
    message:
        "Writing the report"
    conda:
        "../../envs/report.yaml"
    shell:
        "python -m tgl report {params.results} --output {params.folder} --config {params.config:q} > {log} 2>&1"


rule gate:
    input:
        gate=f"{RESULTS}/report/gate.json",
        page=f"{RESULTS}/report/index.html",
    output:
        f"{RESULTS}/report/gate.txt",
    params:
        binding="--binding" if CONFIG.gate.binding else "--no-binding",
        code=code("tgl.report.gate"),
    log:
        f"{RESULTS}/logs/gate.log",
    benchmark:
        f"{RESULTS}/benchmarks/gate.tsv"
    threads: 1
    resources:
        mem_mb=500,
    message:
        "Checking the gates of the report"
    conda:
        "../../envs/report.yaml"
    shell:
        "python -m tgl gate {input.gate} {params.binding} > {output} 2> {log}"
