//! Drives a run: template, workers, units and signals.
