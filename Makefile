# make demo   sets up .venv and runs the bundled digits network on real images
# make test   sets up .venv and runs the tests
# make lint   format, lint and types, as CI checks them
# make bench  the measurements that docs/ quotes

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

.PHONY: demo test test-train soak lint format bench clean

$(VENV)/.run: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "bcsim needs Python 3.11 or later; set PYTHON=..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PIP) install --quiet --constraint constraints.txt --editable '.[hdl,dev]'
	@touch $@

$(VENV)/.train: $(VENV)/.dev
	$(PIP) install --quiet --constraint constraints.txt --editable '.[train]'
	@touch $@

demo: $(VENV)/.run
	@mkdir -p out
	$(BIN)/bcsim run --report out/report.html

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test-train: $(VENV)/.train
	$(BIN)/python -m pytest -m train

soak: $(VENV)/.dev
	$(BIN)/python -m pytest -m soak

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev
	$(BIN)/python -m bench.program --network mnist
	$(BIN)/python -m bench.program --network cifar10
	$(BIN)/python -m bench.machine --network mnist
	$(BIN)/python -m bench.machine --network cifar10 --machine conv --images 1 4
	$(BIN)/python -m bench.rtl

clean:
	rm -rf $(VENV) build dist out .pytest_cache .mypy_cache .ruff_cache .hypothesis
