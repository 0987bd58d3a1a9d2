#!/usr/bin/env bash
# Fuzzes each reader of text for so many seconds: scripts/fuzz.sh [SECONDS] [TARGET...]
# `make fuzz` runs it with cargo-fuzz on PATH.
#
# What is found is kept in .venv/fuzz/found. Whoever mends it puts the input, made small by
# `cargo fuzz tmin`, among fuzz/seeds: `make test` reads those again.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift || true
targets=("${@:-}")
[ -n "${targets[0]}" ] || targets=(select python discover config)

# The flags for coverage are a nightly compiler's; this lets any other take them. The address
# sanitizer stays on: it is what tells of a stack that overflows, and keeps the input.
export RUSTC_BOOTSTRAP=1
found=$PWD/.venv/fuzz/found
failed=0
for target in "${targets[@]}"; do
    corpus=.venv/fuzz/corpus/$target
    mkdir -p "$corpus" "$found/$target"
    options=(-max_total_time="$seconds" -timeout=20 -report_slow_units=5 -rss_limit_mb=2048
        -max_len=8192 -print_final_stats=1 -artifact_prefix="$found/$target/")
    dictionary=fuzz/dictionaries/$target.dict
    [ ! -f "$dictionary" ] || options+=(-dict="$dictionary")
    build=(--fuzz-dir fuzz --target-dir .venv/fuzz/build "$target")
    cargo fuzz build "${build[@]}"
    # A fuzzer that reports what took too long can lock itself up.
    timeout -k 5 $((seconds + 120)) cargo fuzz run "${build[@]}" \
        "$corpus" "fuzz/seeds/$target" -- "${options[@]}" || failed=1
done
exit "$failed"
