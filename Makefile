# Two commands for a newcomer, each doing all its own set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Most tests wait for a cluster rather than compute.
WORKERS := $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))')

.PHONY: help demo test test-all check bench bench-rollout format constraints clean

help:
	@echo "make demo                   a lab cluster of five nodes goes from ipvs to nftables"
	@echo "make demo APPROVE=ui        the same, and you approve it in the Prefect UI"
	@echo "make demo FAULT=crashloop   the canary fails, and is rolled back; NODE=FAULT for another"
	@echo "make demo KEEP=1            lab and UI stay up afterwards, until Ctrl-C"
	@echo "make test                   the tests"
	@echo "make test-all               the same, with every crash point and every fault at every step"
	@echo "make check                  linters, types, layers"
	@echo "make docs                   the pages that are made from the code"
	@echo "make bench SIZES='100 1000' evidence of so many lab nodes, beside bare ssh"
	@echo "make bench-rollout SIZES='5 100'  a migration in batches, beside the lab's own minimum"

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; say which: make PYTHON=python3.12 …"; exit 2; }
	@echo "setting up $(VENV) (once; about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[lab,dev]'
	@touch $@

demo: $(READY)
	@$(BIN)/nftwave demo $(if $(APPROVE),--approve $(APPROVE)) $(if $(NODES),--nodes $(NODES)) \
		$(if $(SPEED),--speed $(SPEED)) $(foreach fault,$(FAULT),--fault $(fault)) $(if $(KEEP),--keep)

test: $(READY)
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "not exhaustive" $(ARGS)

test-all: $(READY)
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup $(ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python benchmarks/evidence.py $(SIZES)

bench-rollout: $(READY)
	$(BIN)/python benchmarks/rollout.py $(SIZES)

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)
	$(BIN)/python -m nftwave.findings.page > docs/findings.md

# Names and versions of everything that the tests were run with.
constraints: $(READY)
	$(BIN)/pip freeze --exclude-editable --disable-pip-version-check | sort -f > constraints.txt

clean:
	rm -rf $(VENV) .nftwave
