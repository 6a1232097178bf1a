# `make run` runs the default experiment, from dumps to a report. `make test` runs everything that CI runs, except lint.
# Both create an environment in .venv on first use.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run example test test-quick test-tables test-slurm test-faults test-fuzz docs lint format clean

run: .venv/installed
	$(BIN)/snakemake
	@cat results/default/report/gate.txt

# Documents of three dates from the shipped example, a small model and a report: about five minutes on two cores.
example: .venv/installed
	$(BIN)/snakemake --configfile workflow/presets/factbook.yaml
	@cat results/factbook/report/gate.txt

test: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --dist loadfile --no-loadscope-reorder --ignore tests/slurm

# For development: unit tests without the workflow tests and slow tests, in under two minutes on two cores.
test-quick: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --dist worksteal -m 'not slow' \
		--ignore tests/slurm --ignore tests/fuzz --ignore tests/workflow

# The default experiment, and a comparison of its tables with the committed ones.
test-tables: run
	TGL_TABLES=1 $(BIN)/python -m pytest tests/workflow/test_default_tables.py

# Tests on a single-machine SLURM (apt-get install slurmctld slurmd slurm-client munge). Run as root.
test-slurm: .venv/installed
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev,slurm]'
	$(BIN)/python -m pytest tests/slurm

# Long fault tests, meant to run overnight.
test-faults: .venv/installed
	TGL_KILLS=30 TGL_STARTS=50 $(BIN)/python -m pytest -s tests/workflow/test_fault_kills.py \
		tests/workflow/test_fault_storage.py tests/cli/test_launch.py

# An interrupted run resumes with the unfinished targets. FUZZ selects targets: a file, or a file::test.
CASES ?= 100000
FUZZ ?= tests/fuzz
test-fuzz: .venv/installed
	TGL_FUZZ_CASES=$(CASES) TGL_FUZZ_LOG=.hypothesis/fuzz.jsonl OMP_NUM_THREADS=1 \
		$(BIN)/python -m pytest -n logical --dist worksteal $(FUZZ)

# The documentation as a site, in site/. Every warning is an error: a broken link, a page that no menu has.
docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo site/index.html

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow examples
	$(BIN)/snakemake --lint

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow examples

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv results/*/ .snakemake
