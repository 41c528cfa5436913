# What a person wants, one target each. Everything that is needed is installed by the targets.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# uv brings Python packages and, where the machine's is too old, Python itself.
UV := $(or $(shell command -v uv),.tools/bin/uv)
RUN := $(UV) run --frozen
PYTEST := $(RUN) pytest

# A real node needs Linux and root; what only it needs is built only then.
REAL_NODE := $(shell [ "$$(uname -s)$$(id -u)" = Linux0 ] && echo --real-node)

.PHONY: programs help demo test test-all test-kubevela check generate image bench docs

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(UV) ## A canary release and a complete rollback, with real pods and requests where root allows
	$(RUN) python -m demo

# Before any test, so that no test's time limit counts a build.
programs: $(UV)
	$(RUN) python -m devcluster build $(REAL_NODE)

test: programs ## Unit, simulation, cluster with fake nodes, one path on the real node
	$(PYTEST) -m "not cluster and not e2e and not kubevela and not slow"
	$(PYTEST) -m "cluster and not slow"
	$(PYTEST) -m "e2e and not slow"

test-all: programs check ## Everything there is
	$(PYTEST) -m "not cluster and not e2e and not kubevela"
	$(PYTEST) -m "cluster"
	$(PYTEST) -m "e2e"
	$(PYTEST) -m "kubevela"

test-kubevela: programs ## With real vela and vela-core on the PATH and the chart in KUBEVELA_CHART; skipped aloud without
	$(PYTEST) -m "kubevela"

check: $(UV) ## Lint, format, types, borders, dependencies, stale generated files
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) tandem generate --check

generate: $(UV) ## Make the definitions and the addon from blueprints
	$(RUN) tandem generate

image: $(UV) ## Build the controller's image here, without a registry, and print where it lies
	$(RUN) python -m devcluster image

bench: programs ## A release beside the floor of a bare PATCH loop; what policies and processes cost
	$(RUN) python -m bench.release
	$(RUN) python -m bench.admission
	$(RUN) python -m bench.resources

docs: $(UV) ## Run every command that the documentation shows
	$(PYTEST) tests/docs

.tools/bin/uv:
	python3 -m venv .tools
	.tools/bin/pip install --quiet uv
