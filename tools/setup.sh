#!/usr/bin/env bash
# Make a virtual environment with everything in requirements.txt.  Usage: tools/setup.sh FOLDER [CONSTRAINTS]
# PYTHON names the interpreter; without it the newest of 3.13, 3.12, 3.11 that runs is taken.
# uv is used where it can be had (four times faster), pip otherwise.
set -euo pipefail
folder=$1
constraints=${2:+-c $2}

runs() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        runs "$PYTHON" || { echo "PYTHON=$PYTHON does not run, or is not Python 3.11, 3.12 or 3.13." >&2; return 1; }
        echo "$PYTHON"
        return
    fi
    for version in 3.13 3.12 3.11; do
        for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; do
            if runs "$candidate"; then echo "$candidate"; return; fi
        done
    done
    if runs python3; then echo python3; return; fi
    echo "No Python 3.11, 3.12 or 3.13 found. Install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2
    return 1
}

stamp=$(cat requirements.txt ${2:+"$2"} tools/setup.sh | cksum)
if [ "$(cat "$folder/.ready" 2>/dev/null)" = "$stamp" ]; then  # only the dates of these files are new
    touch "$folder/.ready"
    exit
fi
python=$(find_python)
echo "Setting up $folder with $("$python" --version): downloads about 3.4 GB, once."
rm -rf "$folder"
"$python" -m venv "$folder" || { echo "No venv module: on Debian and Ubuntu, apt install python3-venv." >&2; exit 1; }
uv=uv
if ! uv --version >/dev/null 2>&1; then
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check uv && uv=$folder/bin/uv || uv=
fi
if [ -n "$uv" ]; then
    # shellcheck disable=SC2086
    "$uv" pip install --quiet --compile-bytecode --python "$folder/bin/python" -r requirements.txt $constraints
else
    # shellcheck disable=SC2086
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.txt $constraints
fi
echo "$stamp" > "$folder/.ready"
