"""Tests of the KV router: its hashes, its index, its choices, and what it survives."""
