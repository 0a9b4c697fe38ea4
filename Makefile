# The two commands a newcomer needs are `make demo` and `make test`; both set up everything first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test setup lint types imports unit peers interop bench fixtures clean

demo: setup
	$(BIN)/ftwire dump --table fixtures/captures/futu-api-10.11-plain.pcap

test: setup lint types imports unit

setup: $(VENV)/.ready

# Everything is installed again when what it depends on changes.
$(VENV)/.ready: pyproject.toml $(wildcard proto/*.* proto/ftwire/*)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[cli,fuzz,export]" --group dev
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

unit: setup
	$(BIN)/pytest

# Others' programs that we are tested against; several hundred megabytes below .peers/, installed once.
peers: setup
	PYTHONPATH=tests $(BIN)/python -m interop.peers

interop: peers
	$(BIN)/pytest tests/interop

# How fast we are, as ratios against the vendor's SDK and the floor of what C calls cost.
bench: peers
	for bench in tests/bench/bench_*.py; do $(BIN)/python $$bench || exit 1; done

# Records every capture again: needs tcpdump, dumpcap and the right to capture on loopback.
fixtures: peers
	PYTHONPATH=.:tests $(BIN)/python -m fixtures.make_captures
	PYTHONPATH=. $(BIN)/python -m fixtures.make_goldens

clean:
	rm -rf $(VENV) .peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
