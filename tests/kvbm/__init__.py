"""Tests of the KV block manager, as far as it goes without a GPU."""
