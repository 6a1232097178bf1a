# The dump files of each date, from one of four sources, listed as wiki/<date>/files.parquet.
if CONFIG.snapshots.source == "synthetic":

    rule world:
        output:
            files=expand(
                "{results}/wiki/{date}/files.parquet", results=RESULTS, date=DATES
            ),
            dumps=expand(
                "{results}/wiki/{date}/dump/synthetic-{date}-pages-articles-multistream.xml.bz2",
                results=RESULTS,
                date=DATES,
            ),
            facts=f"{RESULTS}/wiki/facts.parquet",
        log:
            f"{RESULTS}/logs/world.log",
        benchmark:
            f"{RESULTS}/benchmarks/world.tsv"
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=1000,
        params:
            config=section(CONFIG.snapshots.synthetic),
            dates=DATES,
            folder=subpath(output.facts, parent=True),
            code=code("tgl.wiki.catalogue"),
        message:
            "Writing the synthetic world as dumps of {params.dates}"
        shell:
            "python -m tgl world {params.dates} --output {params.folder} "
            "--config {params.config:q} > {log} 2>&1"

elif CONFIG.snapshots.source == "history":

    # All dates in one reading of a file, which is what takes the time.
    rule history:
        input:
            lambda wildcards: EXPERIMENT.histories()[wildcards.part],
        output:
            expand("{results}/wiki/{date}/dump/{{part}}", results=RESULTS, date=DATES),
        log:
            f"{RESULTS}/logs/history/{{part}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/history/{{part}}.tsv"
        wildcard_constraints:
            part=r"[A-Za-z0-9_.-]+\.bz2",
        conda:
            "../../envs/data.yaml"
        threads: 2
        resources:
            mem_mb=2000 + 8 * len(DATES),
        params:
            config=section(CONFIG.snapshots.history, without=("pattern",)),
            dates=DATES,
            folder=f"{RESULTS}/wiki",
            code=code("tgl.wiki.history"),
        message:
            "Writing the dumps of {params.dates} out of {input}"
        shell:
            "python -m tgl history {input:q} {params.dates} --output {params.folder} "
            "--config {params.config:q} > {log} 2>&1"

elif CONFIG.snapshots.source == "wikimedia":

    rule download:
        input:
            EXPERIMENT.dump_sources(),
        output:
            f"{RESULTS}/wiki/{{date}}/files.parquet",
        log:
            f"{RESULTS}/logs/download/{{date}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/download/{{date}}.tsv"
        retries: 3
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=500,
            downloads=1,
        params:
            config=section(EXPERIMENT.wikimedia()),
            # Not declared: a download that broke off keeps the files that are whole.
            folder=f"{RESULTS}/wiki/{{date}}/dump",
            code=code("tgl.wiki.catalogue", "tgl.wiki.download"),
        message:
            "Downloading the dump of {wildcards.date}"
        shell:
            "python -m tgl download {wildcards.date} --folder {params.folder} --output {output} "
            "--config {params.config:q} > {log} 2>&1"


if CONFIG.snapshots.source in ("local", "history"):

    rule local_files:
        input:
            lambda wildcards: EXPERIMENT.listed_dumps(wildcards.date),
        output:
            f"{RESULTS}/wiki/{{date}}/files.parquet",
        log:
            f"{RESULTS}/logs/files/{{date}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/files/{{date}}.tsv"
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=500,
        params:
            code=code("tgl.wiki.catalogue"),
        message:
            "Listing the dump files of {wildcards.date}"
        shell:
            "python -m tgl files {input:q} --output {output} > {log} 2>&1"
