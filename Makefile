# make demo    plain against speculative decoding of a real model, on code and prose
# make test    format, lint, types, layers, tests (two processes of one thread each)
# make fix     let ruff mend what it can

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test fix clean

demo: $(INSTALLED)
	$(BIN)/draftlab bench

test: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

fix: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Everything is pinned. torch comes first and alone, so that nothing asks for a newer build with gigabytes of CUDA.
$(INSTALLED): pyproject.toml constraints.txt requirements-dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . -r requirements-dev.txt
	touch $(INSTALLED)

clean:
	rm -rf .venv
