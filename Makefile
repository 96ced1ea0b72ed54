# Builds, tests and checks nlog from a fresh checkout. It needs python3 (3.11 or newer, with its
# headers), g++ with C++20, and make; everything else goes into .venv, inside the checkout.
#
# `.venv` is made in steps, each with a stamp in it: `installed` (the project, editable, and what it
# needs to run), `extension` (the C++ core, compiled again when its sources change), and one for
# each set of extra requirements in setup.cfg, fetched only when a target asks for it.
# Say `make PYTHON=python3.12 …` or `make CXX=g++-13 …` to use others than the defaults.

PYTHON ?= python3
CXX := $(if $(filter default,$(origin CXX)),g++,$(CXX))
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PROGRAMS ?= 5000
ROUNDS ?= 20
SECONDS ?= 600

VENV := .venv
VENV_PYTHON := $(VENV)/bin/python
PIP := $(VENV_PYTHON) -m pip --quiet --disable-pip-version-check
STAMPS := $(VENV)/stamps

FOLDERS := $(wildcard nlog nvp_state vswitch_sim benchmarks examples tests)
PYTHON_FOLDERS := $(foreach folder,$(FOLDERS),$(if $(shell find $(folder) -name '*.py'),$(folder)))
CORE_ROOMS := nlog/engine vswitch_sim/datapath
CORE_SOURCES := $(wildcard $(CORE_ROOMS:=/core/*.cc))
BINDINGS := $(wildcard $(CORE_ROOMS:=/*.cc))
EXTENSION_FILES := $(BINDINGS) $(CORE_SOURCES) \
                   $(wildcard $(CORE_ROOMS:=/*.h) $(CORE_ROOMS:=/core/*.h))
FLOOR_FILES := $(wildcard benchmarks/floor/*.cc benchmarks/floor/*.h)
CORE_TEST_FOLDERS := tests/core tests/datapath
CXX_FILES := $(EXTENSION_FILES) $(FLOOR_FILES) \
             $(wildcard $(CORE_TEST_FOLDERS:=/*.cc) $(CORE_TEST_FOLDERS:=/*.h))

# Each core is tested by a program of its own; the datapath's is searched on by another.
SANITIZED := build/sanitized
objects = $(patsubst %.cc,$(SANITIZED)/%.o,$(wildcard $(1)))
DATAPATH_OBJECTS := $(call objects,vswitch_sim/datapath/core/*.cc tests/datapath/random_*.cc)
CORE_TESTS := $(SANITIZED)/engine-test $(SANITIZED)/datapath-test
FRAME_FUZZ := $(SANITIZED)/frame-fuzz
SANITIZED_FLAGS := -std=c++20 -O1 -g -Wall -Wextra -Werror -I. \
                   -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

FLOOR := build/floor
FLOOR_FLAGS := -std=c++20 -O3 -march=native -Wall -Wextra -Werror -I.

PYTEST := $(VENV_PYTHON) -m pytest --numprocesses $(JOBS) --dist worksteal

# Each step that takes more than a moment says what it does, on a line of its own.
say = @printf '\033[1m==> %s\033[0m\n' "$(1)"
ifneq ($(shell test -t 1 && echo terminal),terminal)
say = @printf '==> %s\n' "$(1)"
endif

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help demo build test check check-code format format-check lint types stub core-test fuzz \
        bench clean
.PHONY: toolchain

help: ## print this list (the default)
	@printf 'make TARGET, where TARGET is one of\n\n'
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  \1 \2/p' $(firstword $(MAKEFILE_LIST)) | \
	  while read -r name text; do printf '  %-14s%s\n' "$$name" "$$text"; done

demo: build ## build, then carry packets through a small network of tenants
	@$(VENV)/bin/nvp demo

build: $(STAMPS)/extension ## make .venv, install the project into it, compile the core

test: build $(STAMPS)/extra-test ## run all tests
	$(call say,running the tests on $(JOBS) cores)
	@$(PYTEST)

check: check-code test ## everything that must hold before a commit lands

check-code: format-check lint types stub core-test ## what `check` does beyond `test`

format: $(STAMPS)/extra-check ## lay out Python and C++ as format-check wants them
	@$(VENV)/bin/ruff check --quiet --select I --fix .
	@$(VENV)/bin/ruff format .
	@$(if $(CXX_FILES),$(VENV)/bin/clang-format -i $(CXX_FILES))

format-check: $(STAMPS)/extra-check ## compare the layout with ruff's and clang-format's
	$(call say,checking the layout)
	@$(VENV)/bin/ruff format --check .
	@$(if $(CXX_FILES),$(VENV)/bin/clang-format --dry-run --Werror $(CXX_FILES))

lint: $(STAMPS)/extra-check ## look for likely mistakes with ruff, and in the bindings with g++
	$(call say,linting)
	@$(VENV)/bin/ruff check .
	@$(CXX) -std=c++20 -Wall -Wextra -Werror -fvisibility=hidden -fsyntax-only -I. \
	  $$($(VENV_PYTHON) -m pybind11 --includes) $(BINDINGS)

types: build $(STAMPS)/extra-check ## check the types of the Python sources
	$(call say,checking the types)
	@$(VENV_PYTHON) -m mypy $(PYTHON_FOLDERS)

stub: build $(STAMPS)/extra-check ## compare the cores with their stubs, _core.pyi
	$(call say,comparing the cores with their stubs)
	@$(VENV_PYTHON) -m mypy.stubtest --allowlist .ci/stub-allowances.txt nlog.engine._core \
	  vswitch_sim.datapath._core

core-test: toolchain ## run the cores' C++ tests under the sanitizers
	@$(MAKE) --no-print-directory --jobs=$(JOBS) $(CORE_TESTS)
	$(call say,running the cores' tests under the address and undefined-behaviour sanitizers)
	@for program in $(CORE_TESTS); do $$program || exit 1; done

fuzz: build $(STAMPS)/extra-test ## search on: PROGRAMS (5000) from SEED, ROUNDS (20) of tests
	$(call say,comparing the engine with its oracle over $(PROGRAMS) random programs)
	@$(VENV_PYTHON) -m tests.long_run --programs $(PROGRAMS) $(if $(SEED),--seed $(SEED))
	$(call say,knocking at the boundary with whatever Python has for $(SECONDS) seconds)
	@$(VENV_PYTHON) -m tests.boundary_run --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))
	$(call say,feeding frames and packets of all kinds to what reads them for $(SECONDS) seconds)
	@$(VENV_PYTHON) -m tests.frames_run --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))
	@$(MAKE) --no-print-directory --jobs=$(JOBS) $(FRAME_FUZZ)
	$(call say,passing damaged frames through the datapath for $(SECONDS) seconds)
	@$(FRAME_FUZZ) $(SECONDS) $(SEED)
	$(call say,running the property tests in $(ROUNDS) rounds, each with new random examples)
	@for round in $$(seq $(ROUNDS)); do echo "==> round $$round" && \
	  $(PYTEST) --quiet -m hypothesis || exit 1; done

bench: build $(STAMPS)/extra-bench ## measure the engine beside its rivals; BENCH holds options
	$(call say,measuring: it takes long and wants the machine for itself)
	@$(VENV_PYTHON) benchmarks/compiling.py
	@$(VENV_PYTHON) -m benchmarks.offload --plot build/bench/offload.png
	@$(VENV_PYTHON) benchmarks/switching.py --json build/switching.json
	@$(VENV_PYTHON) -m benchmarks --json build/bench.json --plots build/bench $(BENCH)

clean: ## remove all that was built, .venv included
	rm -rf $(VENV) build dist *.egg-info $(CORE_ROOMS:=/_core*.so) \
	  .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find $(FOLDERS) -name __pycache__ -prune -exec rm -rf {} +

toolchain:
	@command -v $(PYTHON) >/dev/null || { printf '%s\n' "$(PYTHON) is not installed:" \
	  "install Python 3.11 or newer, or name one: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { printf '%s\n' \
	  "$(PYTHON) is $$($(PYTHON) --version 2>&1), but 3.11 or newer is needed:" \
	  "install one and name it: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { printf '%s\n' \
	  "$(PYTHON) can make no virtual environment:" \
	  "install its venv module (on Debian the package python3-venv)" >&2; exit 1; }
	@test -e "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" \
	  || { printf '%s\n' "$(PYTHON) has no C headers, which the core is compiled with:" \
	  "install them (on Debian the package python3-dev)" >&2; exit 1; }
	@command -v $(CXX) >/dev/null || { printf '%s\n' "$(CXX) is not installed:" \
	  "install g++ 10 or newer, or name one: make CXX=g++-12 …" >&2; exit 1; }
	@echo '#include <concepts>' | $(CXX) -std=c++20 -x c++ -fsyntax-only - 2>/dev/null || { \
	  printf '%s\n' "$(CXX) does not compile C++20:" \
	  "install g++ 10 or newer, or name one: make CXX=g++-12 …" >&2; exit 1; }

$(STAMPS)/environment: | toolchain
	$(call say,making the virtual environment)
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

# What builds the project, read from pyproject.toml; written only when it differs, since that file
# holds much else whose change is no reason to build again.
$(STAMPS)/build-requires.txt: pyproject.toml $(STAMPS)/environment
	@$(VENV_PYTHON) -c 'import tomllib; build = tomllib.load(open("pyproject.toml", "rb")); \
	  print(*build["build-system"]["requires"], sep="\n")' > $@.new
	@cmp --silent $@.new $@ && rm $@.new || mv $@.new $@

# Without build isolation, so that what builds the extension is fetched once and not at every build.
$(STAMPS)/build-tools: $(STAMPS)/build-requires.txt
	$(call say,fetching what the build needs)
	@$(PIP) install --requirement $<
	@touch $@

$(STAMPS)/installed: setup.cfg $(wildcard setup.py) $(STAMPS)/build-tools
	$(call say,installing the project and compiling its core)
	@rm -f $(CORE_ROOMS:=/_core*.so)
	@CXX=$(CXX) $(PIP) install --no-build-isolation --editable .
	@touch $@

# Nothing to do where the project was just installed. Make knows which sources changed, so --force.
$(STAMPS)/extension: $(EXTENSION_FILES) $(STAMPS)/installed
	$(if $(filter $(STAMPS)/installed,$?),,$(call say,compiling the core))
	@$(if $(filter $(STAMPS)/installed,$?),,CXX=$(CXX) $(VENV_PYTHON) setup.py --quiet \
	  build_ext --inplace --force --parallel $(JOBS))
	@touch $@

$(STAMPS)/extra-%: setup.cfg $(STAMPS)/installed
	$(call say,fetching what the $*s need)
	@$(PIP) install 'nlog[$*]'
	@touch $@

# One after the other, since pip must not run twice at a time in one environment.
$(STAMPS)/extra-check: | $(STAMPS)/extra-test
$(STAMPS)/extra-bench: | $(STAMPS)/extra-test

$(FLOOR): $(FLOOR_FILES) | toolchain
	@mkdir -p $(@D)
	@$(CXX) $(FLOOR_FLAGS) -o $@ $(filter %.cc,$^)

$(SANITIZED)/engine-test: $(call objects,nlog/engine/core/*.cc tests/core/*.cc)
$(SANITIZED)/datapath-test: $(DATAPATH_OBJECTS) \
  $(call objects,tests/datapath/test_*.cc tests/core/main.cc)
$(FRAME_FUZZ): $(DATAPATH_OBJECTS) $(call objects,tests/datapath/fuzz.cc)
$(CORE_TESTS) $(FRAME_FUZZ):
	@$(CXX) $(SANITIZED_FLAGS) -o $@ $^

$(SANITIZED)/%.o: %.cc | toolchain
	@printf '==> compiling %s with the sanitizers\n' $<
	@mkdir -p $(@D)
	@$(CXX) $(SANITIZED_FLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(SANITIZED) -name '*.d' 2>/dev/null)
