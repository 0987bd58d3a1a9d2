"""Tests that serve a model through the frontend."""
