# Every target sets up what it needs: a virtual environment in the checkout, built once (see scripts/leg.sh).
# Needs make and a Python of 3.9 to 3.13; PYTHON=3.11 or PYTHON=/path/to/python chooses one, LEG=tf115, tf215 or tf221
# another TensorFlow, and ARGS goes to the command: make test ARGS="-k demo", make demo ARGS='"A superb film."'.

RUN = sh scripts/leg.sh
LEG ?= newest
ARGS ?=
CASES ?= 200

# What tells most in little time: numbers, arrows, files, views, and the command line once through.
QUICK = tests/test_imports.py tests/test_architecture.py tests/test_kit.py tests/graph_tools/test_report.py \
	tests/graph_tools/test_whole_files.py tests/graph_tools/test_prune.py tests/graph_tools/test_model.py \
	tests/tf1_ig/test_integrate.py tests/tf1_ig/test_quadrature.py tests/tf1_ig/test_feeds.py \
	tests/tf1_ig/test_attribution.py tests/tf1_ig/test_check.py tests/tf1_ig/test_spans.py tests/tf1_ig/test_lengths.py \
	tests/tf1_ig/test_show_text.py tests/tf1_ig/test_show_table.py tests/tf1_ig/test_show_palette.py \
	tests/tf1_ig/test_edit_command.py tests/tf1_ig/test_reference_loop.py tests/tf1_ig/test_target.py

.PHONY: help demo check test test-tf1 test-tf215 test-tf221 test-bridges test-engines test-all lint attacks fuzz properties mutants types docs dist bench bench-long faults notebooks demo-model clean

help: ## what there is
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

demo: ## explain sentences with the model that ships, and write demo.html
	$(RUN) run $(LEG) tf1-ig demo $(ARGS)

check: ## a fast part of the tests (under two minutes once the environment is there), for while you work
	$(RUN) test $(LEG) -m "not slow and not real and not exhaustive" $(QUICK) $(ARGS)

test: ## the tests in parallel, on the newest TensorFlow 2.x that the Python found supports
	$(RUN) test $(LEG) $(ARGS)

test-tf1: ## the same tests on TensorFlow 1.15 (needs a Python 3.7; skipped where there is none)
	$(RUN) test tf115 $(ARGS)

test-tf215: ## the same tests on TensorFlow 2.15
	$(RUN) test tf215 $(ARGS)

test-tf221: ## the same tests on TensorFlow 2.21
	$(RUN) test tf221 $(ARGS)

test-bridges: ## what other libraries do with a frozen graph: captum, LIME, SHAP, anchors, LIT, ferret (an environment of its own)
	$(RUN) test bridges $(ARGS)

test-engines: ## Spark on a cluster of this machine, Beam, Dask and Ray (an environment of its own; Java; minutes)
	$(RUN) test engines $(ARGS)

test-all: test test-tf1 test-tf215 test-tf221 ## all of them

attacks: ## hostile models by the hundred against every command and door (an hour; ARGS="--part 1/9" for a share)
	$(RUN) run $(LEG) python -m tests.attacks $(ARGS)

fuzz: ## damaged files of every format; the figures go to docs/reliability.md (ARGS="--seeds 0-8 --files 40")
	$(RUN) run $(LEG) python -m tests.fuzz --report docs/reliability.md $(ARGS)

properties: ## what holds for any model, on CASES=200 models that hypothesis draws, by a seed that is printed
	seed=$${SEED:-$$(date +%s)}; echo "seed $$seed"; CASES=$(CASES) $(RUN) run $(LEG) python -m pytest \
		tests/properties -p no:cacheprovider --hypothesis-seed=$$seed $(ARGS)

mutants: ## one small fault at a time in the core, and whether the tests notice (hours; ARGS="--modules lean --most 9")
	$(RUN) run $(LEG) env PYTHONPATH=. python scripts/mutate.py $(ARGS)

lint: ## ruff
	$(RUN) run tools ruff check .

types: ## mypy over both packages
	$(RUN) run tools mypy

docs: ## the API reference, from the docstrings, into build/api; a warning is an error
	$(RUN) run tools python -W error -m pdoc --docformat google --output-directory build/api \
		graph_tools tf1_ig tf1_ig.quadrature tf1_ig.baselines tf1_ig.methods tf1_ig.variants tf1_ig.testing

dist: ## sdist and wheel into dist/, checked by twine
	$(RUN) run tools python -m build --no-isolation --outdir dist
	$(RUN) run tools twine check --strict dist/*

bench: ## other libraries side by side, asked against delivered, first answer, memory of big models (a quarter of an hour)
	$(RUN) run newest python -m benchmarks.run --networks cnn,bilstm --turns 3 --plot benchmarks.svg $(ARGS)
	$(RUN) run newest python -m benchmarks.calibration --models demo,cnn --rows 8
	$(RUN) run newest python -m benchmarks.whole_process --turns 3 --forms frozen

bench-long: ## the same with every network, library, form and turn (an hour and more)
	$(RUN) run newest python -m benchmarks.run --plot benchmarks.svg $(ARGS)
	$(RUN) run newest python -m benchmarks.calibration --models demo,bilstm,cnn,segmenter
	$(RUN) run newest python -m benchmarks.whole_process

faults: ## plant faults in right explanations and count what evaluate says (many minutes)
	$(RUN) run $(LEG) python scripts/planted_faults.py count $(ARGS)

notebooks: ## execute the notebooks and write their outputs (ARGS=01 for one of them)
	$(RUN) run $(LEG) python notebooks/run.py $(ARGS)

demo-model: ## train the demo model again (TensorFlow 1.15)
	$(RUN) run tf115 python scripts/train_demo.py

clean: ## remove what was built
	rm -rf .venv .venv-* build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	rm -f demo.html benchmarks.json benchmarks.svg
	find . \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -prune -exec rm -rf {} +
