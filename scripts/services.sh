#!/usr/bin/env bash
# Installs etcd and NATS, as Debian packages them, where they are missing: scripts/services.sh
# `make services` runs it. The tests start servers of their own, on ports of their own: what a
# package starts is not used.
set -euo pipefail
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

missing=()
command -v etcd >/dev/null || missing+=(etcd-server)
command -v nats-server >/dev/null || missing+=(nats-server)
if [ ${#missing[@]} -eq 0 ]; then
    echo "etcd and nats-server are installed"
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "make services: there is no apt-get here to install ${missing[*]}" >&2
    echo "  put the programs etcd and nats-server on PATH" >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "make services: only root may install ${missing[*]}" >&2
        echo "  sudo apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo -n)
fi
install=("${as_root[@]}" apt-get install --yes --no-install-recommends "${missing[@]}")
# The lists of packages of a fresh image are missing or old.
"${install[@]}" || { "${as_root[@]}" apt-get update && "${install[@]}"; }
