# `make help` lists the targets. Each makes the environment it needs; nothing has to be installed or activated first.
#
#   make kodak-report ANCHOR=bpg DATA=/data/kodak     another anchor, Kodak's PNGs from a folder
#   make test PY=/opt/env/bin/python                  an environment of yours, used as it is
#   make test TESTS=tests/benchmark ARGS='-k match'   some of the tests

.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= python3
VENV ?= .venv
DATA ?= kodak
ANCHOR ?= learned
RUNS ?= runs
# Further rates for the curves; their decoded pictures are not kept.
CURVE_POINTS ?= bpp=0.15 bpp=0.25 bpp=0.4 bpp=0.6
# What the field's report compares at BPG's sizes, as far as it can run here. FIELD_EFFORT= leaves the overfitted codec
# out and has the curves' rates, for BD-rates.
FIELD_EFFORT ?= 0
FIELD_ANCHOR ?= $(if $(filter file,$(origin ANCHOR)),bpg,$(ANCHOR))
FIELD_CODECS ?= bpg learned vvc av1 svtav1 avif heif webp jxl jpeg2000 jpeg $(if $(FIELD_EFFORT),overfitted:effort=$(FIELD_EFFORT))
FIELD_METRICS ?= ssimulacra2
# Curves of others' in the page: means over Kodak's photographs.
comma := ,
FIELD_PUBLISHED ?= $(if $(filter kodak,$(DATA)),kodak:bpg$(comma)vvc$(comma)av1$(comma)webp)
FIELD_CURVE_POINTS ?= $(if $(FIELD_EFFORT),,$(CURVE_POINTS))
TESTS ?= tests
JOBS ?= auto
ARGS ?=
OF ?= $(shell ls -tr .benchmarks/*/*.json 2>/dev/null | tail -2)
# What the gate runs: see docs/gate.md. A codec joins by its name here and `make baseline`.
GATE_DATA ?= samples
GATE_POINTS ?= $(if $(filter kodak,$(GATE_DATA)),qp=37,qp=32 qp=37)
GATE_CODECS ?= learned jpeg2000 jpeg
GATE_RUN = $(RUNS)/gate-$(GATE_DATA)
BASELINE = .ci/baselines/$(GATE_DATA).json
# What the lowest versions run. PyTorch is the tested one, since its lowest version is a large download of its own where
# no build for CPUs is at hand: make lowest TORCH=2.5.0 LOWEST_TESTS=tests
TORCH ?= $(shell sed -n 's/^torch==//p' constraints.txt)
LOWEST_TESTS ?= tests/benchmark/cli tests/codecs/test_jpeg2000.py tests/codecs/learned/bitstream tests/datasets tests/reports

# ./codecs and ./datasets must never be importable under those names: they would hide other packages.
export PYTHONSAFEPATH := 1

ifdef PY
ENV :=
COMPILED :=
else
PY := $(CURDIR)/$(VENV)/bin/python
ENV := $(VENV)/.installed
COMPILED := $(VENV)/.compiled
# An environment does not survive a move of the checkout: its scripts hold absolute paths.
ifneq ($(shell cat $(VENV)/.made-in 2>/dev/null),$(CURDIR))
$(shell rm -f $(VENV)/.installed)
endif
endif
ISORATE = $(PY) -m isorate
# Where the environment keeps the programs that are no Python modules.
SCRIPTS = $$($(PY) -c 'import sysconfig; print(sysconfig.get_path("scripts"))')

.PHONY: help env lock lowest kodak-report demo field-report verify test coverage check gate baseline format bench bench-compare bench-scale docs dist clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 15

env: $(ENV)  ## make the environment in .venv

$(VENV)/.installed: pyproject.toml constraints.txt
	@PYTHON="$(PYTHON)" sh .ci/make-environment "$(VENV)"
	@echo "$(CURDIR)" > $(VENV)/.made-in
	@touch $@

# Once for the tests' many processes, which compile nothing where PYTHONDONTWRITEBYTECODE is set; of our files those that
# change later are compiled by the tests. Some packages bring files that are no Python of this version.
$(VENV)/.compiled: $(VENV)/.installed
	@env -u PYTHONDONTWRITEBYTECODE $(PY) -m compileall -q -j 0 $(VENV)/lib benchmark codecs datasets reports >/dev/null 2>&1 || true
	@touch $@

lock: $(ENV)  ## write constraints.txt anew after a change of dependencies; ARGS=--upgrade: the newest versions
	@sh .ci/lock "$(PY)" $(ARGS)

# Always from nothing: an environment of before would hide what a changed bound does. Warnings are no errors here: old
# libraries give theirs about each other.
lowest:  ## run the samples and some tests with the lowest versions that pyproject.toml admits
	@PYTHON="$(PYTHON)" sh .ci/make-environment $(VENV)-lowest $(TORCH)
	@rm -rf "$(RUNS)/lowest"
	@$(VENV)-lowest/bin/python -m isorate run --data samples --anchor bpg:backend=embedded --point qp=37 \
		$(addprefix --codec ,$(GATE_CODECS)) --no-cache -o "$(RUNS)/lowest"
	@$(VENV)-lowest/bin/python -m isorate report "$(RUNS)/lowest"
	@$(VENV)-lowest/bin/python -m pytest -W default -n $(JOBS) --dist loadfile \
		-m "not slow and not browser and not kodak" $(LOWEST_TESTS) $(ARGS)

kodak-report: $(ENV)  ## compare the codecs on Kodak's photographs and write the HTML report
	$(call compare,$(DATA),$(RUNS)/kodak-$(ANCHOR),$(addprefix --curve-point ,$(CURVE_POINTS)))

demo: $(ENV)  ## the same on photographs that scikit-image brings, without a download
	$(call compare,samples,$(RUNS)/samples-$(ANCHOR),$(addprefix --curve-point ,$(CURVE_POINTS)))

# Failed cells (exit code 1) are rows of the report: render it all the same, then say so.
define compare
	@$(ISORATE) run --data "$(1)" --anchor "$(ANCHOR)" -o "$(2)" $(3) $(ARGS); code=$$?; \
	if [ $$code -le 1 ]; then $(ISORATE) report "$(2)" $(4) || code=$$?; fi; exit $$code
endef

# Which of $(2) can run here, of what `isorate $(1)` lists.
here = $(shell $(ISORATE) $(1) --json | $(PY) -c 'import json, sys; there = {entry["name"] for entry in json.load(sys.stdin) \
	if entry["available"]}; print(*(name for name in sys.argv[1:] if name.partition(":")[0] in there))' $(2))

# The overfitted codec fits a decoder to every picture: minutes a file, an hour with FIELD_EFFORT=2.
field-report: ANCHOR = $(FIELD_ANCHOR)
field-report: $(ENV)  ## AVIF, AV1, VVC, the overfitted codec and others at BPG's sizes: 5 minutes and more a cell
	@left="$(filter-out $(call here,codecs,$(FIELD_CODECS)) $(call here,metrics,$(FIELD_METRICS)),$(FIELD_CODECS) $(FIELD_METRICS))"; \
	if [ -n "$$left" ]; then echo "Left out, see isorate codecs and isorate metrics: $$left" >&2; fi
	$(call compare,$(DATA),$(RUNS)/field-$(ANCHOR),$(addprefix --codec ,$(call here,codecs,$(FIELD_CODECS))) \
		$(addprefix --metric ,$(call here,metrics,$(FIELD_METRICS))) $(addprefix --curve-point ,$(FIELD_CURVE_POINTS)),$(addprefix --published ,$(FIELD_PUBLISHED)))

verify: $(ENV)  ## recompute the paper's classical columns and print the differences
	@$(ISORATE) verify --data "$(DATA)"

# Tests' files are compiled once, too, and not in every process and every time: 7 s of CPU time each.
test: $(COMPILED)  ## run the tests
	@env -u PYTHONDONTWRITEBYTECODE $(PY) -m pytest -n $(JOBS) --dist loadfile $(TESTS) $(ARGS)

coverage: $(COMPILED)  ## run the tests and list the lines that they do not reach
	@$(PY) -m pytest -n $(JOBS) --dist loadfile --cov --cov-report=term-missing:skip-covered --cov-report=xml $(TESTS) $(ARGS)

check: $(ENV)  ## lint and type checks, of the report's scripts as well
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(SCRIPTS)/numpydoc lint $$(find benchmark codecs datasets reports -name '*.py')
	@rm -rf .mypy && mkdir -p .mypy/isorate && cd .mypy/isorate && \
		ln -s ../../benchmark/* . && ln -s ../../codecs ../../datasets ../../reports . && ln -s ../tests ../tests
	@cd .mypy && $(PY) -m mypy --config-file ../pyproject.toml --cache-dir ../.mypy_cache --explicit-package-bases \
		isorate tests
	@$(SCRIPTS)/oxfmt --check reports/static
	@mkdir -p .lint && $(PY) -c 'from isorate.reports.assets import scripts; print(scripts())' > .lint/report.js
	@$(SCRIPTS)/oxlint --deny-warnings --deny no-undef --deny no-unused-vars .lint/report.js
	@$(SCRIPTS)/djlint --quiet --lint reports/templates

gate: $(ENV)  ## run the codecs on the sample photographs and hold the rows against the committed baseline
	$(gate-run)
	@$(ISORATE) check "$(GATE_RUN)" --baseline $(BASELINE); code=$$?; \
	if [ $$code -eq 2 ]; then echo "Another tool chain, no regression of ours; renew the baseline: make baseline" >&2; code=0; fi; \
	exit $$code

baseline: $(ENV)  ## write the baseline that the gate compares with anew
	$(gate-run)
	@$(ISORATE) baseline "$(GATE_RUN)" -o $(BASELINE)

# Always from nothing and without the cache: rows of an earlier run would hide what our code does now. BPG's embedded
# back end is named, so that a machine with bpgenc compares the same.
define gate-run
	@rm -rf "$(GATE_RUN)"
	@$(ISORATE) run --data $(GATE_DATA) --anchor bpg:backend=embedded $(addprefix --point ,$(GATE_POINTS)) \
		$(addprefix --codec ,$(GATE_CODECS)) --no-cache -o "$(GATE_RUN)"
endef

format: $(ENV)  ## format the code
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .
	@$(SCRIPTS)/oxfmt reports/static

bench: $(ENV)  ## measure encode, decode, matching and metrics; the figures stay in .benchmarks, by commit
	@$(PY) -m pytest -q tests/speed/bench_*.py --benchmark-autosave --benchmark-quiet $(ARGS)
	@$(PY) tests/speed/table.py .benchmarks

bench-compare: $(ENV)  ## print what changed between two measurements: the last two, or OF='0003 0007'
	@$(SCRIPTS)/pytest-benchmark compare --between=min --sort=fullname $(OF)

bench-scale: $(ENV)  ## measure runs of 600, 6,000 and 20,000 small cells, by the local pool and by dask; see docs/scale.md
	@$(PY) tests/speed/scale.py -o .benchmarks/scale.json $(ARGS)

docs: $(ENV)  ## make the documentation site in build/site; a warning is an error
	@$(PY) -m sphinx --quiet --fresh-env --fail-on-warning --keep-going docs build/site

dist: $(ENV)  ## build the wheel and the sdist
	@$(PY) -m build --outdir dist .

clean:  ## remove the environment and what the tools left; runs stay
	rm -rf $(VENV) $(VENV)-lowest .lint .mypy .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage coverage.xml build dist *.egg-info
