#!/usr/bin/env bash
# Builds images from a base image that is made here, and runs the suite in them:
#
#     scripts/containers.sh [FRAMEWORK...]        none and vllm where nothing is said
#
# `make containers` runs it, as root: it makes the base image with debootstrap, and starts a
# docker daemon of its own where none answers, in a folder that it removes. Nothing is pulled but
# Debian's and Python's packages. NETWORK (host) is what steps of a build fetch them through,
# ENGINE (docker) may be podman, LIMIT (1800) is how many seconds a run may take.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

frameworks=("$@")
[ $# -gt 0 ] || frameworks=(none vllm)
engine=${ENGINE:-docker}
network=${NETWORK:-host}
limit=${LIMIT:-1800}
suite=bookworm
base=dyno-base:$suite
logs=.venv/logs/containers
work=$(mktemp -d /var/tmp/dyno-containers.XXXXXX)
daemon=
mkdir -p "$logs"

say() { printf '\n# %s\n' "$*"; }

clean() {
    if [ -n "$daemon" ]; then
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
        # It leaves the network of `--network none` mounted.
        umount "$work"/exec/netns/* 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean EXIT

missing=()
for program in "$engine" debootstrap; do
    command -v "$program" >/dev/null || missing+=("$program")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "make containers: ${missing[*]} missing" >&2
    echo "  sudo apt-get install debootstrap docker.io, or podman and ENGINE=podman" >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "make containers: only root may make a base image with debootstrap" >&2
    exit 1
fi

if [ "$engine" = docker ] && ! docker info >/dev/null 2>&1; then
    say "a docker daemon in $work"
    dockerd --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/pid" \
        --host "unix://$work/socket" --bridge=none --iptables=false 2>"$logs/dockerd.log" &
    daemon=$!
    export DOCKER_HOST=unix://$work/socket
    for _ in $(seq 60); do
        docker info >/dev/null 2>&1 && break
        kill -0 "$daemon" 2>/dev/null || break
        sleep 0.5
    done
    docker info >/dev/null || { tail -n 5 "$logs/dockerd.log" >&2; exit 1; }
fi

if ! "$engine" image inspect "$base" >/dev/null 2>&1; then
    say "the base image $base"
    timeout "$limit" debootstrap --variant=minbase \
        --include=ca-certificates,python3,python3-pip,python3-venv "$suite" "$work/base" \
        >"$logs/debootstrap.log"
    tar -C "$work/base" -c . | "$engine" import - "$base" >/dev/null
    rm -rf "$work/base"
fi

# What is run is what is committed, as somebody else has it.
git clone --quiet . "$work/workspace"
failed=0
table=()

# Runs a command under a name, keeps what it says, and takes its time.
part() {
    local name=$1 code=0 start
    shift
    say "$name: $*"
    start=$(date +%s)
    timeout --foreground "$limit" "$@" >"$logs/$name.log" 2>&1 || code=$?
    tail -n 3 "$logs/$name.log"
    table+=("$(printf '%-16s %5d s   exit code %d' "$name" $(($(date +%s) - start)) "$code")")
    [ "$code" -eq 0 ] || failed=1
}

build=("$work/workspace/container/build.sh" --engine "$engine" --network "$network" --base "$base")
run=("$work/workspace/container/run.sh" --engine "$engine" --network none --mount-workspace -it)
export DYNO_BINARY=${DYNO_BINARY:-$PWD/.venv/bin/dyno}
wheels=(.venv/wheels/*.whl)
for framework in "${frameworks[@]}"; do
    arguments=(--framework "$framework" --wheel "${wheels[0]}")
    [ "$framework" = none ] || arguments+=(--build-arg DEVICE=cpu)
    part "$framework-build" "${build[@]}" "${arguments[@]}"
    part "$framework-unit" "${run[@]}" --framework "$framework" -- pytest -m "unit and pre_merge"
    part "$framework-e2e" "${run[@]}" --framework "$framework" -- dyno test -m "e2e and gpu_0"
done

printf '\n'
printf '%s\n' "${table[@]}"
exit "$failed"
