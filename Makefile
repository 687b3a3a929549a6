# Everything a fresh machine needs: Python 3.11+ and make. The virtual environment is made here, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Without cached bytecode every import is three to four times slower, and so is every notebook.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lab check bench clean
demo: $(VENV)/.installed
	$(BIN)/workbench demo

test: check
	$(BIN)/python -m pytest -n auto

lab: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[lab]'
	$(BIN)/jupyter lab notebooks

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/mypy
	cd workbench/algorithm && ../../$(BIN)/mypy --strict --config-file= --cache-dir=../../.mypy_cache/lean -m intent_execution

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	touch $@

# The engines it is measured against are many packages: they have a virtual environment of their own.
bench: $(VENV)-bench/.installed
	$(VENV)-bench/bin/python bench/engine.py $(ARGUMENTS)

$(VENV)-bench/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	$(VENV)-bench/bin/python -m compileall -q $(VENV)-bench/lib || true
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-bench build dist reports
