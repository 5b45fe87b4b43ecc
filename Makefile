# make demo    install into .venv and run the demo: the first thing to try
# make test    the tests          make check   ruff and mypy          make clean   forget .venv and caches

VENV   ?= .venv
# The first interpreter that is new enough; `make PYTHON=/path/to/python demo` chooses another.
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet -c constraints.txt

.PHONY: demo test check format clean

demo: $(VENV)/.installed
	$(BIN)/vtc demo -y

test: $(VENV)/.dev
	$(BIN)/python -m pytest

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .

# torch first and pinned: the resolver then has nothing to choose.
$(VENV)/.torch: constraints.txt
	@test -n "$(PYTHON)" || { echo "vtc needs Python 3.11 or newer; none was found" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	$(PIP) -e .
	touch $@

# lpips is what ours is tested against; its dependency torchvision would bring another torch.
$(VENV)/.dev: $(VENV)/.installed
	$(PIP) -e ".[dev,bench]"
	$(PIP) --no-deps lpips tqdm
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
