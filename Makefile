# Python 3.11 or newer, git and make are all that this needs. `make help` lists the targets.

# The first that runs and is new enough: a launcher that names a missing Python fails here and is passed over.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
JOBS ?= 2
BIN := .venv/bin

# One thread a process: two processes share the cores, and a sum changes its last digits with the number of threads.
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
# Compilation is most of the work. 40 small programs with gradients: 10.6 s compiled, 1.8 s read back from here.
export JAX_COMPILATION_CACHE_DIR := $(CURDIR)/.cache/jax
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS := 0
export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES := -1

# In the order of the folders: the notebooks, the longest file, start first.
PYTEST := $(BIN)/python -m pytest -q -n $(JOBS) --no-loadscope-reorder
# The topics' comparisons run with every shape enforced, and only so; all other tests run free of it.
PLUGIN := -p parity_tests.meta.shapes
ENFORCED := $(PLUGIN) --shapes=enforced --jaxtyping-packages=torch_impl,jax_impl,parity_tests.meta.shapes.checked

.PHONY: help parity test lint shapes slow calibrate planted gpu notebooks clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

parity: .venv/.installed ## run every proof, print the table, then train both sides on the digits
	@$(BIN)/parity run
	@$(BIN)/parity train --data digits --impl both --epochs 3

test: lint shapes ## ruff, pyright, and every quick test once, comparisons with their shapes enforced
	@echo "== pytest"
	@$(PYTEST) -m "not slow" $(PLUGIN) --shapes=free

lint: .venv/.installed ## ruff and pyright
	@echo "== ruff"
	@$(BIN)/ruff check . || { echo "make: ruff has remarks; '$(BIN)/ruff check --fix .' settles most of them." >&2; exit 1; }
	@$(BIN)/ruff format --check . || { echo "make: '$(BIN)/ruff format .' lays these files out." >&2; exit 1; }
	@echo "== pyright"
	@$(BIN)/pyright

shapes: .venv/.installed ## the topics' quick comparisons with every jaxtyping shape enforced at run time
	@echo "== shapes"
	@$(PYTEST) -m "not slow" $(ENFORCED) parity_tests/test_*.py

slow: .venv/.installed ## the long tests
	@$(PYTEST) -m slow

calibrate: .venv/.installed ## random correct pairs: is any flagged? Takes five minutes; writes notebooks/calibration.*
	@$(BIN)/python parity_tests/meta/calibrate.py

planted: .venv/.installed ## write the table of planted mistakes again; takes half an hour
	@$(BIN)/python parity_tests/meta/planted_table.py --jobs $(JOBS)

gpu: .venv/.installed ## every proof on an NVIDIA GPU, and its speeds; writes notebooks/gpu.md
	@JAX_PLATFORMS= XLA_PYTHON_CLIENT_PREALLOCATE=false $(BIN)/python -m pytest -q -m gpu
	@$(BIN)/python parity_tests/meta/gpu_page.py --jobs $(JOBS)

notebooks: .venv/.installed ## execute every notebook, and write the table of torch.nn's modules
	@$(BIN)/python notebooks/execute.py
	@PYTHONPATH=parity_tests $(BIN)/python parity_tests/meta/module_table.py

clean: ## remove the environment and everything that was made
	@rm -rf .venv .cache .pytest_cache .ruff_cache .hypothesis build dist parity-out

.venv/.installed: pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "make: Python 3.11 or newer is needed, and none was found; name one with PYTHON=/path/to/python3.11." >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear .venv || \
		{ echo "make: $(PYTHON) cannot make .venv; on Debian and Ubuntu its package python3-venv is missing." >&2; exit 1; }
	@echo "Installing the versions of constraints.txt into .venv; the first time takes some minutes."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all]' || \
		{ echo "make: the installation stopped, see above; 'make $(MAKECMDGOALS)' takes it up again." >&2; exit 1; }
	@touch $@
