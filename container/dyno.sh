#!/usr/bin/env bash
# Prints where the dyno command is: DYNO_BINARY, the environment of `make setup`, or PATH.
set -eu
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ -n "${DYNO_BINARY:-}" ]; then
    if [ -x "$DYNO_BINARY" ]; then
        printf '%s\n' "$DYNO_BINARY"
        exit 0
    fi
    printf 'dyno: DYNO_BINARY names %s, which is no program\n' "$DYNO_BINARY" >&2
    exit 4
fi
if [ -x "$repository/.venv/bin/dyno" ]; then
    printf '%s\n' "$repository/.venv/bin/dyno"
elif ! command -v dyno; then
    printf 'dyno: there is no dyno command here\nhint: make setup, or name it by DYNO_BINARY\n' >&2
    exit 4
fi
