# Six commands, each of which sets itself up: make demo, make test, make coverage, make check, make mutants, make format.
# The first Python that runs and is new enough; name another with PYTHON=/path/to/python3.12
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
  $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
ARGS ?=
# A Python that may keep nothing compiled compiles every library again in each process: ten seconds at each start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test coverage check mutants format setup

demo: setup
	@$(BIN)/noria demo $(ARGS)

test: setup
	@$(BIN)/pytest --numprocesses auto --dist worksteal $(ARGS)

# The suite once more with every line watched, which takes a third longer, and the share of them that ran.
coverage: setup
	@$(BIN)/pytest --numprocesses auto --dist worksteal --cov $(ARGS)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory test

# Weakens the rules, one change at a time, and says which changes no test notices; names as ARGS="policies.rules.consent*".
mutants: setup
	@rm -rf mutants
	@$(BIN)/mutmut run $(ARGS)
	@$(BIN)/mutmut results

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: .venv/.ready

# The environment is exactly the lock: every distribution by version and hash. Compiled here, on all processors at once,
# or the first command would compile as it goes.
.venv/.ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Noria needs Python 3.11, 3.12 or 3.13. Install one, or set PYTHON=/path/to/it."; exit 1; }
	@echo "Setting up .venv with the locked libraries; this takes a minute or two, once."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@grep -A 200 '^uv==' requirements.lock | awk 'NR>1 && !/^    /{exit} {print}' > .venv/uv.lock.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock.txt
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes --python $(BIN)/python requirements.lock
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $@
