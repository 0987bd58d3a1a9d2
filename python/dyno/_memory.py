"""How much memory a worker has of its own, and how much it shares with what it was forked of."""

from __future__ import annotations

from pathlib import Path

__all__ = ["memory"]


def memory(rollup: Path = Path("/proc/self/smaps_rollup")) -> dict[str, int] | None:
    """As `dyno_model::Memory`, if the kernel tells it."""
    try:
        lines = rollup.read_text().splitlines()[1:]
    except OSError:
        return None
    sizes = {words[0]: int(words[1]) for words in map(str.split, lines) if len(words) > 1}

    def total(kind: str) -> int:
        return sizes.get(f"{kind}_Clean:", 0) + sizes.get(f"{kind}_Dirty:", 0)

    return {"own_kib": total("Private"), "shared_kib": total("Shared")}
