#!/bin/sh
# One TensorFlow leg: its Python found, its virtual environment built in the checkout, its tests run.
#
#   scripts/leg.sh build LEG              build or refresh the environment (nothing to do when setup.py is unchanged)
#   scripts/leg.sh test LEG [PYTEST …]    build, then run the tests
#   scripts/leg.sh run LEG COMMAND …      build, then run a command of the environment
#
# LEG is newest (the newest TensorFlow 2.x that the Python found supports, 3.9 to 3.13; on 3.7, where there is nothing
# newer, 1.15), tf221, tf215 or tf115 (Python 3.7), bridges (TensorFlow 2.15 beside PyTorch, captum, LIME, SHAP, anchors, LIT,
# ferret; `test` runs the tests of the bridges alone), engines (the same of Spark, Beam, Dask and Ray), or tools: no
# TensorFlow, but what lints, types, documents and packs.
# PYTHON=3.12 or PYTHON=/path/to/python chooses the interpreter. A leg whose Python is not on this machine is skipped
# with a message, or fails where CI=true.
set -eu
cd "$(dirname "$0")/.."

action=${1:?build, test or run} leg=${2:?newest, tf221, tf215, tf115, bridges, engines or tools}
shift 2
# Linux on x86-64 has a build without GPU support, half the size; what runs on the CPU is the same.
case "$(uname -sm)" in "Linux x86_64") tensorflow=tensorflow-cpu ;; *) tensorflow=tensorflow ;; esac
case $leg in
newest) folder=.venv versions="3.12 3.13 3.11 3.10 3.9 3.7" install="$tensorflow>=2.15,<3 .[test]" ;;
tf221) folder=.venv-tf221 versions="3.12 3.13 3.11 3.10" install="$tensorflow==2.21.0 .[test]" ;;
tf215) folder=.venv-tf215 versions="3.11 3.10 3.9" install="$tensorflow==2.15.1 .[test]" ;;
tf115) folder=.venv-tf115 versions="3.7" install=".[tf1,test]" ;;
# A build of PyTorch for the CPU is taken where pip finds one (--find-links or an index of yours): it is the only large part.
bridges) folder=.venv-bridges versions="3.11 3.10" install="$tensorflow==2.15.1 torch==2.13.* .[test,bridges]" ;;
engines) folder=.venv-engines versions="3.11 3.10" install="$tensorflow==2.15.1 .[test,spark,beam,engines]" ;;
# What judges the sources; it needs no TensorFlow, and a demo does not wait for it.
tools) folder=.venv-tools versions="3.12 3.13 3.11 3.10 3.9" install=".[lint,docs]" ;;
*) echo "leg.sh: no leg $leg (newest, tf221, tf215, tf115, bridges, engines, tools)" >&2 && exit 2 ;;
esac
python=$folder/bin/python

say() { echo "[$leg] $*"; }

# Names under which a Python version may be had, best first: PATH, pyenv (whose shims may not run), uv.
candidates() {
    echo "python$1"
    for found in "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        [ -x "$found" ] && echo "$found"
    done
    if command -v pyenv >/dev/null 2>&1; then
        for version in $(pyenv versions --bare 2>/dev/null | grep "^$1\.[0-9]*\$"); do
            echo "$(pyenv prefix "$version" 2>/dev/null)/bin/python"
        done
    fi
    if command -v uv >/dev/null 2>&1; then uv python find --no-project "$1" 2>/dev/null || true; fi
}

# Whether $1 runs, is of a version in the list $2 and can build environments (Debian packages venv apart).
usable() {
    "$1" -c 'import sys, ssl, venv, ensurepip
sys.exit("%d.%d" % sys.version_info[:2] not in sys.argv[1].split())' "$2" </dev/null >/dev/null 2>&1
}

find_python() {
    case ${PYTHON:-} in
    "") ;;
    *[!0-9.]*)
        if usable "$PYTHON" "$versions"; then echo "$PYTHON"; fi
        return 0
        ;;
    *) case " $versions " in *" $PYTHON "*) versions=$PYTHON ;; *) return 0 ;; esac ;;
    esac
    # For the newest TensorFlow the Python that is active comes before others on the machine, unless it is 3.7.
    for active in python3 python; do
        if [ "$leg" = newest ] || [ "$leg" = tools ] && usable "$active" "${versions% 3.7}"; then echo "$active" && return 0; fi
    done
    for candidate in $(for version in $versions; do candidates "$version"; done) python3 python; do
        if usable "$candidate" "$versions"; then echo "$candidate" && return 0; fi
    done
}

# Whether the environment that is there works, in this place (a moved one points at its old place), on the Python asked for.
current() {
    "$python" -c "" >/dev/null 2>&1 && grep -qsxF "$PWD" "$folder/.place" || return 1
    [ -z "${PYTHON:-}" ] && return 0
    wanted=$(find_python)
    [ -n "$wanted" ] && [ "$("$wanted" -VV 2>&1)" = "$("$python" -VV 2>&1)" ]
}

missing_python() {
    message="no Python of $versions that runs and has venv${PYTHON:+ (PYTHON=$PYTHON)}; install one (for instance with \
pyenv, uv or the system's packages, python3-venv included), or give its path: PYTHON=/path/to/python"
    if [ "$leg" = newest ] || [ "${CI:-}" = true ]; then say "error: $message" >&2 && exit 1; fi
    say "SKIPPED: $message"
    exit 0
}

build() {
    stamp=$folder/.installed
    if current; then
        [ "$stamp" -nt setup.py ] && [ "$stamp" -nt pyproject.toml ] && [ "$stamp" -nt scripts/leg.sh ] && return 0
        say "refreshing $folder"
    else
        found=$(find_python)
        [ -n "$found" ] || missing_python
        say "building $folder with $("$found" -V 2>&1) ($found)"
        [ "$leg" = tools ] || say "fetching $tensorflow and what the tests need from your package index, once: \
some 400 MB to download, 1.5 to 2.5 GB in $folder (make clean removes it)"
        "$found" -m venv --clear "$folder"
        echo "$PWD" >"$folder/.place"
    fi
    if [ "$leg" = newest ] && usable "$python" 3.7; then install=".[tf1,test]"; fi
    "$python" -m pip install -qq --upgrade pip
    # Word splitting of $install is meant: requirements hold no spaces.
    # shellcheck disable=SC2086
    (set -f && "$python" -m pip install -qq $(for part in $install; do
        case $part in .*) echo "--editable $part" ;; *) echo "$part" ;; esac
    done))
    touch "$stamp"
    say "ready: $("$python" -m pip list 2>/dev/null | grep -iE '^(tensorflow|tensorflow[-_]cpu|numpy) ' | tr -s ' \n' ' ')"
}

build
case $action in
build) ;;
test)
    say "pytest on $("$python" -V 2>&1)"
    # All that these tests need is installed: one that is skipped fails the leg.
    [ "$leg" = bridges ] && set -- --nothing-skipped -rs tests/tf1_ig/test_bridges.py tests/tf1_ig/test_other_numbers.py \
        tests/tf1_ig/test_evaluate_captum.py tests/tf1_ig/test_evaluate_ferret.py "$@"
    [ "$leg" = engines ] && set -- tests/tf1_ig/test_spark.py tests/tf1_ig/test_beam.py tests/tf1_ig/test_engines.py "$@"
    exec "$python" -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile "$@"
    ;;
run)
    command=$1
    shift
    exec "$folder/bin/$command" "$@"
    ;;
*) echo "leg.sh: no action $action (build, test, run)" >&2 && exit 2 ;;
esac
