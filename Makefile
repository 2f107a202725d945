# make demo    from a fresh clone to a trained job with its curve
# make test    all tests
# make check   format, lint, types, import contracts
# make docs    the documentation as a site, in build/site
# make screens  the pictures of gpuq top in docs/screens, and their texts
# make bench   measurements, one by name with ONLY=name

PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(if $(shell $(p) -c 'import sys; sys.exit(not (3,11) <= sys.version_info[:2] < (3,14))' 2>/dev/null && echo yes),$(p))))
BIN := .venv/bin
EXTRAS := web,daemon,job,dev
READY := .venv/.ready

.PHONY: demo test check format docs screens bench setup clean

demo: preflight $(READY)
	@$(BIN)/python -m gpuq_daemon demo $(if $(MASTER_PORT),--master-port $(MASTER_PORT))

test: $(READY)
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

docs: $(READY)
	$(BIN)/python -m mkdocs build --strict

screens: $(READY)
	GPUQ_WRITE_SCREENS=1 $(BIN)/pytest -q tests/tui/test_screens.py

bench: $(READY)
	$(BIN)/python -m tests.bench $(ONLY)

setup: $(READY)

.PHONY: preflight python
python:
	@test -n "$(PYTHON)" || { echo "gpuq needs Python 3.11, 3.12 or 3.13, and none is on PATH: install one, or name it with make PYTHON=/path/to/python3." >&2; exit 2; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v < (3, 14))' 2>/dev/null || { echo "gpuq needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is not one: name another with make PYTHON=/path/to/python3." >&2; exit 2; }

# What a machine lacks is said before gigabytes are downloaded.
preflight: python
	@PYTHONPATH=.:daemon $(PYTHON) -m gpuq_daemon.preflight

# The environment is made anew when what it is made of changes.
$(READY): pyproject.toml constraints.txt | python
	@echo "Setting up .venv (about 3 GB, a few minutes; once) ..."
	@$(PYTHON) -m venv --clear .venv || { echo "Python cannot make .venv: install its venv module (Debian: python3-venv)." >&2; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

clean:
	rm -rf .venv build dist
