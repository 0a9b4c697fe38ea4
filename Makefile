# The two commands a newcomer needs are `make demo` and `make test`; both set up everything first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Checked before a virtual environment of the wrong Python is made, which would stay.
TOO_OLD := "ftwire needs Python 3.11 or newer; another than $(PYTHON) is taken by: make PYTHON=python3.12"

.PHONY: demo test setup lint types imports unit explore core core-test lower-bounds protobuf-versions dist dist-check wheels workflows peers interop bench bench-check bench-record fixtures schema-check fuzz soak mutate man docs clean

demo: setup
	$(BIN)/ftwire dump --table fixtures/captures/futu-api-10.11-plain.pcap

test: setup lint types imports unit

setup: $(VENV)/.ready

# Everything is installed again when what it depends on changes.
$(VENV)/.ready: pyproject.toml codec/ftwire/layout.py $(wildcard proto/*.* proto/ftwire/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and $(TOO_OLD))'
	@echo "Setting up $(VENV): the first time a minute or two, with downloads."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[compressed,control,export,fuzz]" --group dev
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --preview --select PLW1514 codec tools examples  # text files have another encoding on Windows

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

# Without the compiled core, whether it is installed or not. CI=1 runs what takes long, too.
unit: setup
	FTWIRE_CORE=off $(BIN)/pytest

# Every property with a thousand new examples; the tests have the same ones in every run.
explore: setup
	HYPOTHESIS_PROFILE=explore $(BIN)/pytest -m hypothesis --timeout 3600

# The compiled core: needs cargo.
core: $(VENV)/.core

$(VENV)/.core: $(VENV)/.ready $(wildcard codec/core/*.toml codec/core/*.pyi codec/core/src/*.rs codec/core/src/*/*.rs)
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps ./codec/core
	touch $@

# The same tests with the core.
core-test: core
	FTWIRE_CORE=required $(BIN)/pytest

# With every dependency at the lower bound that pyproject.toml states: a subset, in a temporary environment. Needs the
# package registry.
lower-bounds: setup
	$(BIN)/python tests/lower_bounds.py

# With every line of protobuf that pyproject.toml allows, from 3.20 to 7: a subset, in a temporary environment.
protobuf-versions: setup
	$(BIN)/python tests/protobuf_versions.py

# Source distribution, wheel, and the core's: checked, installed into clean environments and tested there. Needs cargo.
dist: wheels
	$(BIN)/python tests/dist_check.py dist

# The same with each Python of PYTHONS, and there with each line of protobuf.
dist-check: wheels
	$(BIN)/python tests/dist_check.py dist --each-protobuf $(addprefix --python ,$(PYTHONS))

PYTHONS ?= python3.11 python3.12 python3.13 python3.14

wheels: $(VENV)/.dist
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python codec/core/make_wheel.py dist
	$(BIN)/twine check --strict dist/*

$(VENV)/.dist: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --group dist
	touch $@

# What GitHub runs: linted, which needs go, and the commands of its Linux rows, each once in a clean clone.
workflows: $(VENV)/.dist
	go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
	$(BIN)/hadolint Containerfile
	$(BIN)/python tests/workflow_check.py $(if $(WITHOUT),--without '$(WITHOUT)')

# Others' programs that we are tested against; several hundred megabytes below .peers/, installed once.
peers: setup
	PYTHONPATH=tests $(BIN)/python -m interop.peers

interop: peers $(VENV)/.clusters
	$(BIN)/pytest tests/interop

$(VENV)/.clusters: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --editable ".[compressed,control,export,fuzz,ray,dask]"
	touch $@

# The documentation as a site, below site/: without warnings, or not at all.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

$(VENV)/.docs: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --group docs
	touch $@

# Reports what the newest SDK published has that we do not; with STRICT=1 a difference is a failure.
schema-check: setup
	$(BIN)/ftwire schema diff ours futu-api==latest || test -z "$(STRICT)"

# Every figure is a ratio within one run; quiet machines give the best ones. Needs tshark and some minutes.
bench: peers $(VENV)/.bench
	$(BIN)/python tests/bench/all.py

# Fails where a ratio falls more than a fifth below the recorded one.
bench-check: peers $(VENV)/.bench
	$(BIN)/python tests/bench/all.py --check

bench-record: peers $(VENV)/.bench
	$(BIN)/python tests/bench/all.py --record

$(VENV)/.bench: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --group bench
	touch $@

# Records every capture again: needs tcpdump, dumpcap and the right to capture on loopback.
fixtures: peers
	PYTHONPATH=.:tests $(BIN)/python -m fixtures.make_captures
	PYTHONPATH=. $(BIN)/python -m fixtures.make_goldens
	PYTHONPATH=. $(BIN)/python -m fixtures.make_mistakes
	PYTHONPATH=.:tests $(BIN)/python -m fixtures.make_vectors --record

# Coverage-guided: every decoder for MINUTES, two at a time. Atheris has wheels for Linux up to Python 3.13.
fuzz: setup
	$(BIN)/python -m pip install --quiet atheris
	PYTHONPATH=tests:. $(BIN)/python tests/fuzz/campaign.py --minutes $(or $(MINUTES),10)

# Damaged captures and streams for MINUTES: the core against Python, whole commands, tshark's opinion. See docs/fuzzing.md.
soak: setup
	PYTHONPATH=tests:. $(BIN)/python tests/soak/campaign.py --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

# Mutation testing with mutmut, one module after the other: see docs/mutation.md.
mutate: core
	$(BIN)/python -m pip install --quiet "mutmut>=3.8,<4"
	$(BIN)/python tests/mutation/mutate.py $(MODULE)

# Manual pages, below build/man/man1.
man: setup
	$(BIN)/ftwire man build/man/man1

clean:
	rm -rf $(VENV) codec/core/target .peers .fuzz .soak .mutation .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
