# `make run`: the embedded default, from dumps to a report. `make test`: everything that CI runs but lint.
# Both make their own environment in .venv on first use.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lint format clean

run: .venv/installed
	$(BIN)/snakemake
	@cat results/default/report/gate.txt

test: .venv/installed
	$(BIN)/python -m pytest

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
