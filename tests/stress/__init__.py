"""Tests that load a deployment for a time and account for every request."""
