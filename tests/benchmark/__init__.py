"""Measurements of a deployment, recorded and compared with those of earlier runs."""
