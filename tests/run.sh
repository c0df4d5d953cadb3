#!/usr/bin/env bash
# Run the tests on a machine that has Python 3.11 or newer; arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
tests/setup.sh
exec .venv/bin/pytest -q -n 5 --dist worksteal "$@"
