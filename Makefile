# make book | pdf | epub | test | finetune | demo | teach | lab: each sets up .venv first. Without make, see README.md.
PYTHON ?= python3
BIN := .venv/bin
BUILD := $(BIN)/jupyter-book build book --config $(CURDIR)/_config.yml --toc $(CURDIR)/_toc.yml -n -W --keep-going
# Debian: apt-get install chromium
CHROMIUM ?= chromium
CLASSIFIER ?= output/classifier
WORKERS ?= 2
# A whole notebook goes to one worker, and each process has one thread: more would only wait for each other.
PYTEST := $(BIN)/python -m pytest book tests -n $(WORKERS) --dist loadfile --no-loadscope-reorder --nbval-lax --durations 10

.PHONY: help book pdf epub test test-all finetune demo teach lab execute student lock audit clean
.DELETE_ON_ERROR:

help:
	@echo "make book      build the HTML book"
	@echo "make pdf       make it a PDF (needs chromium)"
	@echo "make epub      make it an e-book"
	@echo "make test      check the code, the notebooks and the book (about ten minutes)"
	@echo "make test-all  check everything, what takes long too"
	@echo "make finetune  train a classifier on the full data, then classify two messages"
	@echo "make demo      type messages and watch it judge (trains it first where that has not been done)"
	@echo "make teach     label messages and watch a classifier learn (TABLE=mail.csv for your own)"
	@echo "make lab       open the notebooks"

.venv/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt
	touch $@

# The pages offer the whole book as one file, too, where a browser can print it.
book: .venv/installed $(if $(shell command -v $(CHROMIUM)),pdf epub)
	$(BUILD) --path-output output/book
	@echo "The book is ready: open output/book/_build/html/index.html"

# The book on one page, printed by a browser.
pdf: .venv/installed
	rm -rf output/print
	$(BUILD) --path-output output/print --builder singlehtml
	$(CHROMIUM) --headless --disable-gpu --no-first-run --no-pdf-header-footer --generate-pdf-document-outline \
	  $(if $(filter 0,$(shell id -u)),--no-sandbox) --user-data-dir=output/print/browser --virtual-time-budget=20000 \
	  --print-to-pdf=output/from-gpt-to-classifier.pdf file://$(CURDIR)/output/print/_build/singlehtml/index.html \
	  2> output/print/browser.log || (cat output/print/browser.log; exit 1)
	@echo "The book is ready: output/from-gpt-to-classifier.pdf"

epub: .venv/installed
	rm -rf output/epub
	$(BUILD) --path-output output/epub --builder custom --custom-builder epub
	cp output/epub/_build/epub/from-gpt-to-classifier.epub output
	@echo "The book is ready: output/from-gpt-to-classifier.epub"

# Threads that wait sleep soon, and leave the cores to other programs (Troubleshooting says more).
demo teach lab execute: export GOMP_SPINCOUNT ?= 1000
test test-all: export OMP_NUM_THREADS = 1
test: .venv/installed
	$(PYTEST) -m "not slow and not download" --cov

test-all: .venv/installed
	$(PYTEST) -m "not download" --cov

finetune: .venv/installed
	$(BIN)/python -m llmclf train --output $(CLASSIFIER) --overwrite
	$(BIN)/python -m llmclf classify $(CLASSIFIER) \
	  "You are a winner you have been specially selected to receive 1000 cash or a 2000 award." \
	  "Hey, just wanted to check if we're still on for dinner tonight? Let me know!"

output/classifier/classifier.safetensors: | .venv/installed
	$(BIN)/python -m llmclf train --output output/classifier

# A page of its own, on this computer only; its settings keep it from asking other hosts for anything.
demo: .venv/installed output/classifier/classifier.safetensors
	$(BIN)/jupytext --quiet --to ipynb --output output/demo.ipynb book/play/demo.py
	$(BIN)/voila output/demo.ipynb --Voila.config_file_paths=book/play $(VOILA)

teach: .venv/installed
	mkdir -p output
	sed 's|^TABLE = None|TABLE = $(if $(TABLE),"$(abspath $(TABLE))",None)|' book/play/teach.py \
	  | $(BIN)/jupytext --quiet --from py:percent --to ipynb --output output/teach.ipynb -
	$(BIN)/voila output/teach.ipynb --Voila.config_file_paths=book/play $(VOILA)

lab: .venv/installed
	$(BIN)/jupyter lab book

# Make notebooks anew from their sources (book/text/*.py), run every cell in full, then draw the figures: minutes.
execute: .venv/installed
	for text in book/text/*.py; do \
	  $(BIN)/jupytext --quiet --to ipynb --update --output book/$$(basename $$text .py).ipynb $$text || exit; done
	CI=true $(BIN)/jupyter nbconvert --log-level WARN --to notebook --execute --inplace book/*.ipynb \
	  --ExecutePreprocessor.record_timing=False --ExecutePreprocessor.store_widget_state=False
	$(BIN)/jupyter nbconvert --log-level WARN --to notebook --inplace book/*.ipynb \
	  --CoalesceStreamsPreprocessor.enabled=True # in a pass of its own: while executing it has no effect
	for script in book/figures/[!_]*.py; do $(BIN)/python $$script || exit; done

# The small model of the page Play, from the classifier that chapter 6 saved: a quarter of an hour. Then: make execute.
student: .venv/installed
	$(BIN)/python -m llmclf distil book/output/full/classifier --output book/play/student.safetensors --bfloat16

# The exact environment, for every platform. What torch brings along for CUDA is left to torch.
lock: .venv/installed
	$(BIN)/python -m pip install --quiet uv
	( echo "# Every package of the environment, with the hashes of its files. Written by 'make lock' from pyproject.toml."; \
	  echo "torch==2.13.0" | $(BIN)/uv pip compile pyproject.toml --extra book --extra export --extra ray --extra test --universal \
	    --python-version 3.11 --constraint - --no-header --annotation-style line --generate-hashes --quiet ) > requirements.new
	mv requirements.new requirements.lock
	( echo "# The reader's environment, exactly: the versions of requirements.lock, whose CUDA packages torch brings itself."; \
	  echo "-e ."; sed -E -n '/^[a-z0-9]/{s/ *\\$$//;p;}' requirements.lock | grep -vE '^(nvidia-|cuda-|triton)' ) > requirements.txt

# Known weaknesses of these packages, by a program of its own, which asks the package index for them.
audit: .venv/installed
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv tool run pip-audit --requirement requirements.lock --require-hashes --disable-pip --strict

clean:
	rm -rf output .pytest_cache .ruff_cache .hypothesis .coverage
