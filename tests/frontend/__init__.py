"""Tests of the frontend alone: its APIs, what it refuses, and how it bears bad clients."""
