# make run, make test: all they need is Python 3.11 to 3.13, make and a package index.
PYTHON ?= python3
# Which TensorFlow: cpu, gpu or tpu, and more extras after commas. The extra tune, for
# searches and TensorBoard, is always installed.
EXTRA ?= cpu
VENV := .venv
BIN := $(VENV)/bin

# editable_mode=compat: a plain path entry. Without it `import kerasopt` beside a clone
# that is named kerasopt finds the clone's folder instead of the package.

.PHONY: run install test test-all fuzz lint bench notebooks clean
.DELETE_ON_ERROR:

run: install
	$(BIN)/kerasopt demo

install: $(VENV)/installed-$(EXTRA),tune

# Two processes: most tests are small and keep one core busy.
test: lint
	# The notebook takes longest, so it comes first: both processes end together.
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest \
		--numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 20

# The slow ones too, longer notebooks and benchmarks.
test-all: lint
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest -m "" \
		--numprocesses 2 --dist loadfile --no-loadscope-reorder

# Ten times the odd inputs of make test, 20,000, and new ones each time.
fuzz: lint
	KERASOPT_FUZZ=10 TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest tests/test_fuzz_*.py \
		--numprocesses 2 --dist loadfile $(ARGS)

lint: $(VENV)/installed-$(EXTRA),tune,dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy kerasopt
	$(BIN)/lint-imports

# With EXTRA=cpu,bench also against PyTorch, a large download; PARTS=race for the race.
bench: install
	$(BIN)/kerasopt bench $(PARTS)

# Execute the notebooks and save their outputs in place, a quarter of an hour.
notebooks: $(VENV)/installed-$(EXTRA),tune,dev
	$(BIN)/python notebooks/execute.py

# One stamp for each set of extras: a second run finds it and reuses the install.
$(VENV)/installed-%: setup.cfg constraints.txt | $(VENV)
	@echo "Installing kerasopt[$*] into $(VENV) (about two minutes the first time) …"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt \
		--config-settings editable_mode=compat --editable ".[$*]"
	touch $@

$(VENV):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "kerasopt needs Python 3.11, 3.12 or 3.13, for which TensorFlow 2.21 has" \
		"wheels; $(PYTHON) isn't one of them. Name one that is: make PYTHON=python3.12 …"; \
		exit 2; }
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV)
