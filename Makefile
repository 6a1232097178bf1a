# `make run`: the embedded default, from dumps to a report. `make test`: everything that CI runs but lint.
# Both make their own environment in .venv on first use.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test test-slurm test-faults test-fuzz lint format clean

run: .venv/installed
	$(BIN)/snakemake
	@cat results/default/report/gate.txt

test: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --dist loadfile --no-loadscope-reorder --ignore tests/slurm

# A single-machine SLURM (apt-get install slurmctld slurmd slurm-client munge), as root.
test-slurm: .venv/installed
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev,slurm]'
	$(BIN)/python -m pytest tests/slurm

# For a night.
test-faults: .venv/installed
	TGL_KILLS=30 TGL_STARTS=50 $(BIN)/python -m pytest -s tests/workflow/test_fault_kills.py \
		tests/workflow/test_fault_storage.py tests/cli/test_launch.py

# Broken off, it goes on with the targets that have not ended; FUZZ names some of them: a file, or a file::test.
CASES ?= 100000
FUZZ ?= tests/fuzz
test-fuzz: .venv/installed
	TGL_FUZZ_CASES=$(CASES) TGL_FUZZ_LOG=.hypothesis/fuzz.jsonl OMP_NUM_THREADS=1 \
		$(BIN)/python -m pytest -n logical --dist worksteal $(FUZZ)

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv results/*/ .snakemake
