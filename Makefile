# Notebook series: see README.md. Every target sets up .venv by itself; PYTHON=python3.12 chooses the interpreter.
#
#   make run [NB=04] [PROFILE=smoke] [SEED=1] [OVERRIDES='{"num_epochs": 2}'] [DATA=folder]
#   make test   make test-latest   make lint   make hook   make links   make bench   make lab
#   make notebooks [REPOSITORY=owner/name]   make pull NB=04   make report [PROFILE=laptop]   make results   make clean

# From the command line only: a DATA or SEED in the environment may be somebody else's.
NB :=
PROFILE := smoke
SEED :=
OVERRIDES :=
DATA :=
VENV := .venv
BIN := $(VENV)/bin
ARGUMENTS = $(NB) --profile $(PROFILE) $(if $(SEED),--seed $(SEED)) $(if $(OVERRIDES),--overrides '$(OVERRIDES)') \
	$(if $(DATA),--data '$(DATA)')
SMOKE = NB_PROFILE=smoke NB_OUTPUT_DIR=$(CURDIR)/build/test

.PHONY: run test test-latest check lint style hook links lab bench notebooks pull report results clean
.DEFAULT_GOAL := run

$(VENV)/.ready: requirements.txt constraints-colab.txt tools/setup.sh
	PYTHON=$(PYTHON) tools/setup.sh $(VENV) constraints-colab.txt

.venv-latest/.ready: requirements.txt tools/setup.sh
	PYTHON=$(PYTHON) tools/setup.sh .venv-latest

run: $(VENV)/.ready
	$(BIN)/python -m tools.run $(ARGUMENTS)

test: $(VENV)/.ready
	$(MAKE) check BIN=$(BIN)

test-latest: .venv-latest/.ready
	$(MAKE) check BIN=.venv-latest/bin

# What `make test` and `make test-latest` check, in the environment of $(BIN).
check: style
	$(BIN)/python -m tools.count
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests -n 2
	rm -rf build/test
	$(SMOKE) OMP_NUM_THREADS=1 $(BIN)/python -m pytest --nbmake --nbmake-timeout=300 -n 2 notebooks
	$(SMOKE) $(BIN)/python -m tools.run --check-only

style:
	$(BIN)/ruff check .
	$(BIN)/python -m tools.notebooks check
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/test.yml

# The part of `make test` that takes seconds.
lint: $(VENV)/.ready
	$(MAKE) style BIN=$(BIN)

# Has git run `make lint` before each commit.
hook:
	git config core.hooksPath .githooks

links: $(VENV)/.ready
	$(BIN)/python -m tools.links

lab: $(VENV)/.ready
	$(BIN)/jupyter lab --notebook-dir=notebooks

build/peers/.ready: tests/benchmarks/requirements.txt | $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target build/peers --upgrade -r $<
	touch $@

bench: $(VENV)/.ready build/peers/.ready
	for file in tests/benchmarks/bench_*.py; do PYTHONPATH=.:build/peers $(BIN)/python $$file || exit 1; done

notebooks: $(VENV)/.ready
	$(BIN)/python -m tools.notebooks write $(if $(REPOSITORY),--repository $(REPOSITORY))

pull: $(VENV)/.ready
	$(BIN)/python -m tools.notebooks pull "$(NB)"

report: $(VENV)/.ready
	$(BIN)/python -m tools.report --profile $(if $(filter file,$(origin PROFILE)),laptop,$(PROFILE))

results: $(VENV)/.ready
	$(BIN)/python -m tools.results

clean:
	rm -rf build runs .pytest_cache .ruff_cache
