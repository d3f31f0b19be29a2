# Two commands matter: `make demo` (the main job) and `make test`. Both build .venv themselves, once.
.PHONY: demo test full gpu lint bench simulate screens

demo: ; @.ci/setup && .venv/bin/sftgate demo

test: lint
	@.venv/bin/python -m pytest -n 2 --dist loadfile --durations 40 -m "not full and not gpu"

lint:
	@.ci/setup
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@.venv/bin/mypy

# The long version: everything slow, and the demo for three seeds of training.
full: lint
	@.venv/bin/python -m pytest -m "not gpu"

# What a CPU cannot show. Needs an NVIDIA GPU.
gpu:
	@SFTGATE_DEVICE=cuda .ci/setup
	@SFTGATE_REQUIRE_GPU=1 .venv/bin/python -m pytest -m gpu

bench:
	@.ci/setup
	@.venv/bin/python -m benchmarks

# How often the methods are right, over worlds whose truth is known: writes the table of docs/statistics.md.
simulate:
	@.ci/setup
	@.venv/bin/python -m benchmarks.simulation
	@.venv/bin/python -m benchmarks.simulation.sequential
	@.venv/bin/python -m benchmarks.simulation.judges
	@.venv/bin/python -m benchmarks.simulation.lengths

# Every page of the report in light, dark, narrow and on paper, to be looked at: screens/*.png.
screens:
	@.ci/setup
	@.venv/bin/python -m tests.reports.screens
