#!/usr/bin/env bash
# Make ready for the tests: the programs that they talk to (as root on Debian; elsewhere what is missing is skipped, and
# said at the end of the run), .venv with everything in the versions of constraints.txt, and the players from npm.
# With CI set, a program that is missing is an error.
set -euo pipefail
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

missing() {
  local program package
  while read -r program package; do
    [[ $program == '#'* ]] || PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || echo "$package"
  done <tests/programs.txt
}

programs() {
  mapfile -t packages < <(missing)
  if ((${#packages[@]})) && [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    apt-get update -qq
    # The tests start a PostgreSQL of their own: Debian's package is to make none.
    mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/reactor.conf
    # Where they do not go together (another npm is held, say), each that can be had is better than none.
    apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
      for package in "${packages[@]}"; do
        apt-get install -y -qq --no-install-recommends "$package" >/dev/null || true
      done
    mapfile -t packages < <(missing)
  fi
  if ((${#packages[@]})) && [[ -n ${CI:-} ]]; then
    echo "The tests need these packages: ${packages[*]}" >&2
    return 1
  fi
}

# apt-get waits for the network and the disk, pip for the network and one processor: side by side.
programs & installing=$!
trap 'wait "$installing" || true' EXIT  # apt-get is not left behind half way
ready=.venv/.reactor-ready
if [[ $ready -nt pyproject.toml && $ready -nt constraints.txt && $ready -nt tests/setup.sh ]]; then
  wait "$installing"
else
  python3 -m venv .venv
  pip=(.venv/bin/pip install -q --no-compile -c constraints.txt)
  # That of Debian 12 computes for a minute over what an index lists.
  "${pip[@]}" --upgrade pip
  # Here already, no environment has to be made to build our own package in, nor those that come without a wheel.
  "${pip[@]}" 'hatchling>=1.26' editables 'setuptools>=70.1'
  "${pip[@]}" --no-build-isolation -e '.[all,dev]'
  # On all processors; pip would compile on one. What is no Python is not compiled, nor what no test imports (of that in
  # site-packages), or few of hundreds.
  unused='pip|setuptools|pkg_resources|numpy|matplotlib|mpl_toolkits|fontTools|mypyc?|pygments'
  unused+='|yt_dlp/extractor|gallery_dl/extractor|sqlalchemy/dialects/(mssql|mysql|oracle)'
  .venv/bin/python -m compileall -qq -j 0 -x "/site-packages/($unused)/|/(tests|SelfTest)/" .venv/lib & compiling=$!
  wait "$installing"
  if command -v npm >/dev/null; then
    .venv/bin/python -m tests.pages.players
  fi
  wait "$compiling" || true
  touch "$ready"
fi
