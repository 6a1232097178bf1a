# The report and the gate. The gate fails if it is binding and was missed.
rule report:
    input:
        files=[path("files", date=date) for date in DATES],
        diffs=[path for period in PERIODS for path in EXPERIMENT.diffs(period)],
        probes=PROBES,
        withheld=[path("withheld", period=period) for period in (BASE, *PERIODS)],
        profiles=expand(PROFILE, seed=CONFIG.seeds),
        agreement=expand(
            path("agreement"), seed=CONFIG.seeds if CONFIG.agree.facts else []
        ),
        along=expand(path("along"), seed=CONFIG.seeds if ALONG else []),
        plans=expand(PLAN, seed=CONFIG.seeds, plan=PLANS),
        base=expand(path("scores", method=BASE), seed=CONFIG.seeds),
        scores=[
            path("scores", method=method, seed=seed)
            for method in METHODS
            for seed in CONFIG.seeds
        ],
        generations=[
            path("generations", method=method, seed=seed)
            for method in (BASE, *METHODS)
            for seed in CONFIG.seeds
        ],
        step_scores=[
            path("step_scores", method=method, seed=seed)
            for method in (METHODS if CONFIG.train.score_at else [])
            for seed in CONFIG.seeds
        ],
        # Snakemake ignores changed settings of a job if one of its outputs was never made. Needing a file of each
        # kept checkpoint makes it run such a job again.
        models=[
            f"{folder}/config.json"
            for folder in expand(
                [
                    path("model", method=method, period=PERIODS[-1])
                    for method in METHODS
                ],
                seed=CONFIG.seeds if CONFIG.train.keep_models else [],
            )
        ],
    output:
        page=report(
            path("report", file="index.html"),
            caption="../report/page.rst",
            category="Pages",
            labels={"page": "report"},
        ),
        examples=report(
            path("report", file="examples.html"),
            caption="../report/examples.rst",
            category="Pages",
            labels={"page": "examples"},
        ),
        probes_page=report(
            path("report", file="probes.html"),
            caption="../report/probes.rst",
            category="Pages",
            labels={"page": "probes"},
        ),
        profile_figure=report(
            path("report", file="profile.svg"),
            caption="../report/profile.rst",
            category="Figures",
            labels={"figure": "profile"},
        ),
        plans_figure=report(
            path("report", file="plans.svg"),
            caption="../report/plans.rst",
            category="Figures",
            labels={"figure": "plans"},
        ),
        training_figure=report(
            path("report", file="training.svg"),
            caption="../report/training.rst",
            category="Figures",
            labels={"figure": "training"},
        ),
        measures=path("report", file="measures.csv"),
        summary=report(
            path("report", file="summary.csv"),
            caption="../report/summary.rst",
            category="Tables",
            labels={"table": "summary"},
        ),
        gate=path("report", file="gate.json"),
    log:
        path("log", job="report"),
    benchmark:
        path("benchmark", job="report")
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
        "python -m tgl.jobs report {params.results:q} --output {params.folder:q} --config {params.config:q} > {log:q} 2>&1"


rule gate:
    input:
        gate=path("report", file="gate.json"),
        page=path("report", file="index.html"),
    output:
        path("report", file="gate.txt"),
    log:
        path("log", job="gate"),
    benchmark:
        path("benchmark", job="gate")
    retries: 0
    # This job is not submitted to a cluster and not retried, because it fails if a binding gate was missed.
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
        "python -m tgl.jobs gate {input.gate:q} {params.binding} > {output:q} 2> {log:q}"
