# Two commands: `make demo` shows the whole promise on any machine, `make test` runs the tests. Both set up .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := 2.13.0
NANO := benchmarks/data/nano
NANO_WEIGHTS := $(NANO)/yolact_nano_22_4148.pth
OUT := out

EXTRAS := export,cpu,rtx,openvino,bench,plugins,dev
TRITON := nvidia-pytriton==0.7.0 tritonclient==2.73.0 grpcio geventhttpclient gevent greenlet zope.event \
	zope.interface python-rapidjson brotli urllib3 certifi

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: install demo test test-slow fuzz test-arm64 lint format clean soak

install: $(VENV)/.installed

# CPU torch where an index has it: first the configured one, then PyTorch's own, then whatever build fits this machine.
$(VENV)/.installed: pyproject.toml setup.py Makefile tests/real_tensorrt/install.py tests/real_tensorrt/releases.py tests/examples/onnxruntime_headers.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "error: $(PYTHON) is older than Python 3.10: pass another one, as in make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 15))' || \
		echo "warning: $(PYTHON) is newer than Python 3.14, the newest one tried: if it fails, pass another one, as in make PYTHON=python3.14 $(MAKECMDGOALS)" >&2
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { $(MAKE) --no-print-directory venv-package && $(PYTHON) -m venv $(VENV); }
	@echo "installing torch $(TORCH) (CPU) and the rest into $(VENV): some minutes the first time"
	@$(BIN)/python -c 'import torch' 2>/dev/null || \
		$(PIP) torch==$(TORCH)+cpu 2>/dev/null || \
		$(PIP) --retries 0 --timeout 20 --index-url https://download.pytorch.org/whl/cpu torch==$(TORCH) 2>/dev/null || \
		$(PIP) torch==$(TORCH)
	@$(BIN)/python -c 'import torch; print("torch==" + torch.__version__.partition("+")[0])' > $(VENV)/constraints.txt
	$(PIP) --constraint $(VENV)/constraints.txt --editable ".[$(EXTRAS)]"
# TensorRT's own Python modules, for the tests. Not beside the other packages: there they would pass for TensorRT itself.
	-$(BIN)/python -m tests.real_tensorrt.install
# TensorRT's headers, to compile the plugins in tests/plugins; the package's own dependencies are not needed for that.
	-$(PIP) --no-deps kernel-lens==2.0.1
# ONNX Runtime's C++ headers, to compile examples/cpp-onnxruntime.
	-$(BIN)/python -m tests.examples.onnxruntime_headers
# Triton's server (55 MB to download) and its client, for the tests. Not beside the other packages: the server's package
# wants an older NumPy, which nothing here needs.
	-$(PIP) --no-deps --target $(VENV)/triton $(TRITON)
	@touch $@

# Debian and Ubuntu split venv from Python.
.PHONY: venv-package
venv-package:
	@rm -rf $(VENV)
	@command -v apt-get >/dev/null || { echo "error: $(PYTHON) has no venv module: install it with your package manager" >&2; exit 2; }
	@as_root=$$([ "$$(id -u)" = 0 ] || echo "sudo -n"); package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
		echo "installing $$package"; \
		{ $$as_root apt-get update -qq && $$as_root apt-get install -y -qq $$package; } >/dev/null 2>&1 || \
		{ echo "error: $(PYTHON) has no venv module: run sudo apt-get install $$package" >&2; exit 2; }

demo: install
	$(BIN)/yolact-deploy export $(NANO_WEIGHTS) --output $(OUT)/yolact_nano.onnx --force
	$(BIN)/yolact-deploy convert-precision $(OUT)/yolact_nano.onnx --fp16 --output $(OUT)/yolact_nano.fp16.onnx --force
	$(BIN)/yolact-deploy infer $(NANO)/images --model $(OUT)/yolact_nano.onnx --output $(OUT)/pictures --force
	$(BIN)/yolact-deploy bench $(OUT)/yolact_nano.onnx $(OUT)/yolact_nano.fp16.onnx --reference $(NANO_WEIGHTS) \
		--json $(OUT)/bench.json --markdown $(OUT)/bench.md --report $(OUT)/report
	@echo "tables: $(OUT)/bench.md"
	@echo "pictures: $(OUT)/pictures"

# One process per core; a file's tests stay together, since they share what they set up.
PYTEST := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist loadfile

test: install
	$(PYTEST) -m "not slow"

# Engines in many variants, whole data sets, browsers, nvcc for every GPU, other machines. CI runs them, too.
test-slow: install
	$(PYTEST) -m slow

# Ten thousand almost right files for each reader, under a limit of memory and time; about an hour.
fuzz: install
	$(BIN)/python -m tests.fuzz --keep $(OUT)/fuzz

# Twenty thousand frames of varying sizes through one predictor: memory and open files stay flat.
soak: install
	$(BIN)/yolact-deploy export $(NANO_WEIGHTS) --output $(OUT)/soak.onnx --force
	$(BIN)/python -m tests.soak $(OUT)/soak.onnx

# Root, Debian or Ubuntu, about 20 minutes the first time: the wheel in a Debian for arm64 under qemu-user.
test-arm64: install
	tests/arm64/run.sh $(BIN)/python $(OUT)/arm64

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(OUT) build dist *.egg-info
