#!/usr/bin/env bash
# Runs a command in a container: ./container/run.sh --mount-workspace -it -- pytest
# It is `dyno container run`, whose --help has all options. The workspace is this repository.
set -eu
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dyno=$("$repository/container/dyno.sh")
exec "$dyno" container run --workspace "$repository" "$@"
