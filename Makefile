# Verbs: install demo test test-all coverage lint types lint-page house serve bench chaos docs clean. Each sets up what it needs.
# Needed beforehand: Python 3.11 or newer, make, a C library. Nothing else: no curl, git or jq.
#
#   make demo ARGS=--exit        arguments go to the command
#   make test ARGS="tests/api -x"

PYTHON ?= $(firstword $(foreach name,python3.11 python3 python,$(shell command -v $(name) 2>/dev/null)))
VENV := .venv
RUN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BROWSER := $(VENV)/.browser
ALLOCATOR := $(VENV)/.allocator
PAGE_TOOLS := node_modules/.package-lock.json
NPM = PATH="$(abspath $(RUN)):$$PATH" $(RUN)/npm --silent
PIP := $(RUN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=
# Processes that tests are shared out to, each with servers of its own; 0: this one process, for a debugger.
PROCESSES ?= 3
PARALLEL = -n $(PROCESSES) --dist loadfile --no-loadscope-reorder
# What Python compiles is kept, whatever the caller's environment says: tests start a hundred interpreters.
export PYTHONDONTWRITEBYTECODE =
COVERED = tests/sdk tests/store tests/ledger tests/queue tests/media

.PHONY: install demo test test-all coverage lint types lint-page house format serve bench chaos docs clean
.DEFAULT_GOAL := install

install: $(INSTALLED) $(BROWSER) $(ALLOCATOR)

demo: $(INSTALLED)
	$(RUN)/arc-fabric demo $(ARGS)

serve: $(INSTALLED)
	$(RUN)/arc-fabric up $(ARGS)

test: $(INSTALLED) $(BROWSER) $(ALLOCATOR)
	$(RUN)/python -m pytest $(PARALLEL) $(ARGS)

# Also the tests marked slow: long property and fuzz runs.
test-all: $(INSTALLED) $(BROWSER) $(ALLOCATOR)
	$(RUN)/python -m pytest $(PARALLEL) -m "slow or not slow" $(ARGS)

# Of the parts whose tests run in the test's own process: what workers, web app and `up` do in theirs is not counted.
coverage: $(INSTALLED)
	$(RUN)/python -m pytest $(PARALLEL) -q --cov --cov-report=term:skip-covered $(COVERED) $(ARGS)

chaos: $(INSTALLED)
	$(RUN)/python -m tests.chaos $(ARGS)

bench: $(INSTALLED) $(BROWSER) $(ALLOCATOR)
	$(RUN)/arc-fabric bench $(ARGS)

lint: $(INSTALLED) types lint-page
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .

# mypy, strict; the first time takes a minute.
types: $(INSTALLED)
	$(RUN)/python -m mypy

# Circles, arrows that look up, crowded folders.
house: $(INSTALLED)
	$(RUN)/python -m tools.house $(ARGS)

# The page: types (JSDoc, checked by TypeScript against the server's own schemas) and rules. Node comes with the dev extra.
lint-page: $(INSTALLED) $(PAGE_TOOLS)
	$(RUN)/python -m tools.page_types build/page/openapi.json
	$(NPM) run types
	$(NPM) run check
	$(NPM) run lint

format: $(INSTALLED)
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

# Every setting, command, route and message is documented.
docs: $(INSTALLED)
	$(RUN)/python -m pytest -q -k "docs or documented" $(ARGS)

clean:
	rm -rf $(VENV) node_modules build dist demo_output .pytest_cache .ruff_cache .mypy_cache .hypothesis arc_fabric.egg-info

$(RUN)/python:
	@test -n "$(PYTHON)" || { echo "No python3.11 on PATH. Install Python 3.11, or: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is older than 3.11. Use: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch comes first and alone, so that its one pinned build is what everything else meets. openpi-client pins an old
# numpy that it does not need, hence --no-deps.
$(INSTALLED): pyproject.toml constraints.txt | $(RUN)/python
	@echo "Installing the pinned dependencies into $(VENV) (the first time takes minutes) ..."
	$(PIP) install --constraint constraints.txt torch==2.13.0
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	$(PIP) install --no-deps openpi-client==0.1.2
	@touch $@

# What checks the page, as pinned by package-lock.json; the page itself has no build step and ships none of it.
$(PAGE_TOOLS): package.json package-lock.json .npmrc | $(INSTALLED)
	$(NPM) ci --no-audit --no-fund \
	  || { echo "The checkers of the page could not be installed (see above): make lint-page needs a package registry, once."; exit 1; }
	@touch $@

# Workers without a GPU are a tenth faster with tcmalloc (arc_fabric/services/allocator.py); nothing needs it.
$(ALLOCATOR): | $(RUN)/python
	@if $(RUN)/python -c 'import ctypes.util, sys; sys.exit(not any(map(ctypes.util.find_library, ("tcmalloc_minimal", "jemalloc"))))'; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends libtcmalloc-minimal4; } >$(VENV)/allocator.log 2>&1 \
	    || echo "tcmalloc could not be installed (see $(VENV)/allocator.log): workers use the system's allocator, which is slower."; \
	else echo "No tcmalloc found: workers use the system's allocator, which is slower. Install it with: apt-get install libtcmalloc-minimal4"; fi
	@touch $@

# The tests of the page need a browser; everything else works without one.
$(BROWSER): | $(RUN)/python
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  echo "Installing chromium for the tests of the page ..."; \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } \
	    >$(VENV)/browser.log 2>&1 \
	    || echo "chromium could not be installed (see $(VENV)/browser.log): the tests of the page will be skipped."; \
	else echo "No chromium found: the tests of the page will be skipped. Install it with: apt-get install chromium"; fi
	@touch $@
