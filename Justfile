# `just` lists what there is. Everything runs in .venv, which `just setup` makes.

bin := ".venv/bin"

[private]
default:
    @just --list --unsorted

# make .venv with everything, and install the programs that tests talk to (as root on Debian)
setup:
    bash tests/setup.sh

# run the tests; arguments go to pytest
test *arguments:
    {{bin}}/pytest -q -n 5 --dist worksteal {{arguments}}

# look for mistakes and for what is not formatted
lint:
    {{bin}}/ruff check
    {{bin}}/ruff format --check

# put right what can be put right without a person
fix:
    {{bin}}/ruff check --fix
    {{bin}}/ruff format

# check the types; each bot is a program of its own
types:
    {{bin}}/mypy
    cd contrib/telegram && ../../{{bin}}/mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache *.py
    cd contrib/discord && ../../{{bin}}/mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache *.py

# serve downloads.db; arguments go to `reactor run`
run *arguments:
    {{bin}}/reactor run {{arguments}}

# storms over the core in simulated time; `just sim --seed N` replays one
sim *arguments:
    {{bin}}/python -m tests.simulation {{arguments}}

# the real thing, killed 200 times; with `--postgres`: four of them on one queue, and 200 faults of all kinds
chaos *arguments:
    {{bin}}/python -m tests.chaos {{arguments}}

# what takes too long for each change: the tests marked so, those of real processes without forks and with the system's ffmpeg, 20 000 storms, 200 kills, 200 faults of machines, ten minutes of fuzz, and a machine without programs
nightly:
    {{bin}}/pytest -q -n 4 --dist worksteal -m nightly
    REACTOR_TESTS_EXEC=1 {{bin}}/pytest -q -n 4 --dist worksteal tests/real tests/extractors tests/media tests/daemon/effects
    {{bin}}/python -m tests.simulation --seeds 20000
    {{bin}}/python -m tests.chaos
    {{bin}}/python -m tests.chaos --postgres
    {{bin}}/python -m tests.fuzz
    {{bin}}/python -m tests.bare

# feed all readers with what strangers may say, 10 minutes; `just fuzz --seconds N` for as long as that
fuzz *arguments:
    {{bin}}/python -m tests.fuzz {{arguments}}

# fetch a file from a server on this machine, and check its bytes
demo *arguments:
    {{bin}}/python contrib/demo.py {{arguments}}

# measure beside a poller, yt-dlp and bare aria2c, 15 minutes (needs nginx and gcc); `just bench quick` is only a look, 90 s; `just bench react`, `throughput`, `parts`, `scale`, `idle` or `machines` a part of it
bench *arguments:
    {{bin}}/python -m contrib.bench {{arguments}}

# what CI runs
ci:
    bash .ci/run
