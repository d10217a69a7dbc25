# Each target makes .venv first if it is missing. `make repro` runs the main job, `make test` the tests.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
THREADS ?= 2

.PHONY: repro test lint bench pages project clean

repro: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dvc repro
	@echo "report: $(CURDIR)/reports/index.html"

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n $(THREADS) --dist worksteal

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell $$(git ls-files)

# In a quick form; benchmarks/README.md has the commands that give the figures.
bench: $(READY)
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/heads.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/image_heads.py --backbone small --turns 1
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/sweep.py --epochs 2 --seeds 4
	$(BIN)/python benchmarks/busy.py --images 200 --turns 1 --command baseline
	$(BIN)/python benchmarks/prompts.py --turns 1
	$(BIN)/python benchmarks/probe.py
	$(BIN)/python benchmarks/extract.py --seconds 8
	$(BIN)/python benchmarks/runtimes.py --turns 2
	$(BIN)/python benchmarks/decoders.py --sides 48 100 --rows 500
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/video.py --clips 6 --turns 1 --seconds 20
	$(BIN)/python benchmarks/memory.py --rows 500 2000
	$(BIN)/python benchmarks/unchanged.py --rows 30000
	$(BIN)/python benchmarks/scan.py --files 20000
	$(BIN)/python benchmarks/backends.py --rows 30000
	$(BIN)/python benchmarks/query.py --rows 30000
	$(BIN)/python benchmarks/browse.py --units 30000
	$(BIN)/python benchmarks/neighbors.py --rows 30000 --queries 100
	$(BIN)/python benchmarks/scale.py --rows 10000 30000 --epochs 1
	$(BIN)/python benchmarks/cluster.py --shards 100 --workers 2 --lose-every 40 --requests 3 6

# The generated parts of docs/datasets, from what the readers state.
pages: $(READY)
	$(BIN)/python tests/documentation/dataset_pages.py

# What `fer-stage init` writes as the repository has it. Not as dvc.yaml: DVC would take it for one of the repository.
project:
	cp dvc.yaml stages/project/graph.yaml
	cp .dvcignore stages/project/dvcignore
	cp .dvc/config stages/project/dvc-config

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable ".[dvc,test,lint]"
	touch $(READY)

# What can be made again. data/ is where licensed datasets are put: of it only the drawn sample goes.
clean:
	rm -rf .venv tables faces features runs reports dvc_plots data/drawn
