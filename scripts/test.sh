#!/usr/bin/env bash
# Every test of the project itself and the suite's of before a merge, each kind to its end, then the
# closing line of each once more.
# `make test` runs it in the environment that it has made.
set -uo pipefail
cd "$(dirname "$0")/.."

logs=.venv/logs
mkdir -p "$logs"
failed=0

# Runs a command under a name and keeps what it says.
part() {
    local name=$1
    shift
    printf '\n# %s: %s\n' "$name" "$*"
    "$@" 2>&1 | tee "$logs/$name.log"
    local code=${PIPESTATUS[0]}
    if [ "$code" -ne 0 ]; then
        failed=1
        printf '# %s: exit code %s\n' "$name" "$code"
    fi
}

part rust cargo test --workspace --locked
# Four at a time: most of them wait for processes that they kill.
part python pytest -n 4 --dist worksteal python/tests --ignore python/tests/plugins
part plugins .venv/plugins/venv/bin/python -m pytest -n 2 -c /dev/null --rootdir python/tests \
    -p no:cacheprovider python/tests/plugins
# The others take long, or need what is not everywhere.
part suite dyno test tests -m "pre_merge and gpu_0"

printf '\n'
awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
     END { printf "rust:   %d passed, %d failed, %d ignored\n", passed, failed, ignored }' "$logs/rust.log"
for name in python plugins suite; do
    closing=$(grep -E '^=+ .* in [0-9.]+s' "$logs/$name.log" | tail -n 1)
    printf '%-7s %s\n' "$name:" "${closing:-did not end, see $logs/$name.log}"
done
exit "$failed"
