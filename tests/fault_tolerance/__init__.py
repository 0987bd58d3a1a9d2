"""Tests of what a deployment does when parts of it fail."""
