# The dump files of each date, listed as snapshots/<date>/files.parquet.
if CONFIG.snapshots.source == "synthetic":

    rule world:
        output:
            files=[path("files", date=date) for date in DATES],
            dumps=[
                f"{path('dump', date=date)}/synthetic-{date}-pages-articles-multistream.xml.bz2"
                for date in DATES
            ],
            facts=path("facts"),
        log:
            path("log", job="world"),
        benchmark:
            path("benchmark", job="world")
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=1000,
        params:
            config=section(CONFIG.snapshots.synthetic),
            dates=DATES,
            folder=subpath(output.facts, parent=True),
            code=code("tgl.snapshots.catalogue"),
        message:
            "Writing the synthetic world as dumps of {params.dates}"
        shell:
            "python -m tgl.jobs world {params.dates} --output {params.folder:q} "
            "--config {params.config:q} > {log:q} 2>&1"

elif CONFIG.snapshots.source == "history":

    # One job makes all dates, because reading the file takes most of the time.
    rule history:
        input:
            lambda wildcards: EXPERIMENT.histories()[wildcards.part],
        output:
            [f"{path('dump', date=date)}/{{part}}" for date in DATES],
        log:
            path("log", job="history/{part}"),
        benchmark:
            path("benchmark", job="history/{part}")
        wildcard_constraints:
            part=r"[A-Za-z0-9_.-]+\.bz2",
        conda:
            "../../envs/data.yaml"
        threads: 2
        resources:
            mem_mb=2000 + 8 * len(DATES),
        params:
            config=section(CONFIG.snapshots.history, without=("pattern",)),
            # One argument each, so that a path that begins with a dash is not taken for an option.
            more=lambda wildcards, input: [f"--more={file}" for file in input[1:]],
            dates=DATES,
            folder=f"{RESULTS}/snapshots",
            code=code("tgl.snapshots.full_history.history"),
        message:
            "Writing the dumps of {params.dates} from {input}"
        shell:
            # Options come first, so that a path that begins with a dash is not taken for an option.
            "python -m tgl history --output {params.folder:q} --config {params.config:q} {params.more:q} "
            "-- {input[0]:q} {params.dates} > {log:q} 2>&1"

elif CONFIG.snapshots.source not in ("local", "counterfactual", "documents"):

    rule download:
        input:
            EXPERIMENT.dump_sources(),
        output:
            path("files"),
        log:
            path("log", job="download/{date}"),
        benchmark:
            path("benchmark", job="download/{date}")
        retries: 3
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=500,
            downloads=1,
        params:
            config=section(EXPERIMENT.source_settings()),
            source=CONFIG.snapshots.source,
            # The files are not declared outputs, so that an interrupted download keeps the complete files.
            folder=path("dump"),
            code=code("tgl.snapshots.catalogue"),
            source_code=source_code(CONFIG.snapshots.source),
        message:
            "Downloading the dump of {wildcards.date}"
        shell:
            "python -m tgl download {wildcards.date} --source {params.source} --folder {params.folder:q} --output {output:q} "
            "--config {params.config:q} > {log:q} 2>&1"


if CONFIG.snapshots.source in ("local", "history"):

    rule local_files:
        input:
            lambda wildcards: EXPERIMENT.listed_dumps(wildcards.date),
        output:
            path("files"),
        log:
            path("log", job="files/{date}"),
        benchmark:
            path("benchmark", job="files/{date}")
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=500,
        params:
            code=code("tgl.snapshots.catalogue"),
        message:
            "Listing the dump files of {wildcards.date}"
        shell:
            # Options come first, so that a path that begins with a dash is not taken for an option.
            "python -m tgl.jobs files --output {output:q} -- {input:q} > {log:q} 2>&1"
