# Every target makes the virtual environment it needs, one for each Python version, and leaves your
# own environments alone. Another Python: make test PYTHON=python3.13

ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3)
endif
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
TOO_OLD := $(filter 2.% 3.0 3.1 3.2 3.3 3.4 3.5 3.6 3.7 3.8 3.9 3.10,$(VERSION))

VENV := .venv-$(VERSION)
RUN := $(VENV)/bin/python
QUICKSTART := runs/quickstart
# Of the tests; each takes up to 4 GB of memory.
PROCESSES := 2

.PHONY: help quickstart test test-fast lint format test-slow test-kernel test-kernel-arm64 benchmark rivals clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

quickstart: $(VENV)/core.stamp ## train a small language model, score it, let it write (needs no data)
	$(RUN) -m experiments.train --config=configs/quickstart.py --workdir=$(QUICKSTART)
	$(RUN) -m experiments.evaluate --workdir=$(QUICKSTART) --split=test
	$(RUN) -m experiments.generate --workdir=$(QUICKSTART) --prompt='The '
	@echo
	@echo "The learning curve: $(QUICKSTART)/learning_curves.png"
	@echo "The run, in a notebook or in $(RUN):"
	@echo "    import lstm_jax"
	@echo "    run = lstm_jax.load('$(QUICKSTART)')"
	@echo
	@echo "Next, film reviews as good or bad, in $(VENV) (see configs/sentiment_quickstart.py):"
	@echo "    PIP_CONSTRAINT=constraints.txt $(RUN) -m pip install -e '.[reviews]'"
	@echo "    $(RUN) -m experiments.train --config=configs/sentiment_quickstart.py --workdir=runs/sentiment"
	@echo "    echo 'a great film' | $(RUN) -m experiments.predict --workdir=runs/sentiment"

test: lint ## formatting, lint, types, then all tests but the slow proofs
	$(RUN) -m pytest -m 'not slow' --numprocesses=$(PROCESSES) --dist=worksteal --durations=15

test-fast: $(VENV)/dev.stamp ## the tests of what neither trains nor starts processes, in less than a minute
	$(RUN) -m pytest -m 'not slow' --fast --numprocesses=$(PROCESSES) --dist=worksteal

lint: $(VENV)/dev.stamp ## formatting, lint and types alone
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(VENV)/bin/basedpyright --pythonpath $(RUN)

format: $(VENV)/dev.stamp ## rewrite the files as `make lint` wants them
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

test-slow: $(VENV)/dev.stamp ## the slow proofs: runs killed at many random instants, and the like
	XLA_FLAGS= $(RUN) -m pytest -m slow --durations=15

CHECKS = $(VENV)/bin/cmake -S lstm_jax/kernel -DLSTM_JAX_CHECKS=ON -DPython_EXECUTABLE=$(abspath $(RUN))

test-kernel: $(VENV)/dev.stamp ## the native kernel's own checks under sanitizers of memory, arithmetic and threads
	for each in address,undefined thread; do \
		$(CHECKS) -B build/$$each -DLSTM_JAX_SANITIZE=$$each && \
		$(VENV)/bin/cmake --build build/$$each && build/$$each/kernel || exit 1; \
	done

# As installed by Debian's packages g++-aarch64-linux-gnu and qemu-user-static.
ARM64 := aarch64-linux-gnu
ARM64_RUN := qemu-aarch64-static -L /usr/$(ARM64)

test-kernel-arm64: $(VENV)/dev.stamp ## compile the kernel for arm64, run it in an emulator, compare with this machine
	$(CHECKS) -B build/checks && $(VENV)/bin/cmake --build build/checks
	$(CHECKS) -B build/$(ARM64) -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
		-DCMAKE_CXX_COMPILER=$(ARM64)-g++
	$(VENV)/bin/cmake --build build/$(ARM64)
	build/checks/kernel write build/checks/computed
	$(ARM64_RUN) build/$(ARM64)/kernel compare build/checks/computed

benchmark: $(VENV)/peers.stamp ## time layers and training steps against Flax, Haiku and PyTorch
	$(RUN) -m scripts.benchmarks.recurrence
	$(RUN) -m scripts.benchmarks.recurrence --cell=GRU --plot=build/benchmark_gru.png
	$(RUN) -m scripts.benchmarks.recurrence --shapes=growth --plot=build/benchmark_growth.png
	$(RUN) -m scripts.benchmarks.training
	$(RUN) -m scripts.benchmarks.members
	$(RUN) -m scripts.benchmarks.forecasting

# Of `make rivals`: which methods, and what stands beside them; the part of the data, its windows (the last WINDOWS of
# each series, STRIDE steps apart; all of the config's); FLAGS of experiments.baseline, as --config.data.horizon=48.
MODELS := auto_ets,auto_theta,auto_arima
OURS := repeat,seasonal_naive,drift,naive2,ridge
SPLIT := test
RIVALS := .venv-rivals-$(VERSION)
FORECASTS := $(if $(WORKDIR),$(WORKDIR)/rivals,runs/rivals/$(notdir $(basename $(CONFIG))))
BASELINE := $(RUN) -m experiments.baseline --split=$(SPLIT) $(if $(STRIDE),--stride=$(STRIDE)) \
	$(if $(WINDOWS),--windows=$(WINDOWS)) $(if $(WORKDIR),--workdir=$(WORKDIR),--config=$(CONFIG)) $(FLAGS)

rivals: $(VENV)/core.stamp $(RIVALS)/made.stamp ## AutoETS, AutoTheta, AutoARIMA: CONFIG=configs/x.py, or WORKDIR=runs/x
ifeq ($(CONFIG)$(WORKDIR),)
	@echo "Of which series? make rivals CONFIG=configs/forecast_m4_weekly.py, or WORKDIR= of a run"
else
	$(BASELINE) --write_windows=$(FORECASTS)/windows.parquet
	$(RIVALS)/bin/python scripts/rivals.py --windows=$(FORECASTS)/windows.parquet \
		--forecasts=$(FORECASTS)/forecasts.jsonl --models=$(MODELS) --processes=$(PROCESSES)
	$(BASELINE) --forecasts=$(FORECASTS)/forecasts.jsonl --models=$(OURS),$(MODELS)
endif

$(RIVALS)/made.stamp: constraints-rivals.txt
	@echo "Installing statsforecast into $(RIVALS)"
	@$(PYTHON) -m venv --clear $(RIVALS)
	@$(RIVALS)/bin/python -m pip install --quiet --quiet --disable-pip-version-check -c $< statsforecast pyarrow
	@touch $@

clean: ## remove the environments, builds and caches; runs/ stays
	rm -rf .venv-* build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp says that an installation was finished; it is older than what it was made from after a change.
STAMPED := pyproject.toml constraints.txt $(wildcard lstm_jax/kernel/*)

define install
	$(if $(VERSION),,$(error cannot run '$(PYTHON)'; name a Python of at least 3.11: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11))
	$(if $(TOO_OLD),$(error lstm_jax needs Python 3.11 or newer and '$(PYTHON)' is $(TOO_OLD); name another: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11))
	@echo "Installing lstm_jax$(1) into $(VENV)"
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv --clear $(VENV)
	@# In the environment the constraints hold for the build of the kernel, too: jaxlib must be the same.
	@PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt $(RUN) -m pip install --quiet --quiet --disable-pip-version-check --editable '.$(1)'
	@LSTM_JAX_INSTRUCTION_SET= $(RUN) -c 'from lstm_jax.recurrence import native_library; print("native kernel:", native_library.why_not_built() or "built")'
	@touch $(VENV)/core.stamp
endef

$(VENV)/core.stamp: $(STAMPED)
	$(call install,)

$(VENV)/dev.stamp: $(STAMPED)
	$(call install,[dev])
	@touch $@

$(VENV)/peers.stamp: $(STAMPED)
	$(call install,[peers])
	@touch $@
