#!/usr/bin/env bash
# Builds an image: ./container/build.sh --framework vllm|sglang|trtllm|none [--target dev|runtime]
# It is `dyno container build`, whose --help has all options.
set -eu
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dyno=$("$repository/container/dyno.sh")
exec "$dyno" container build --repository "$repository" "$@"
