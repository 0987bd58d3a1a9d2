//! The durable record of a run, and the list of runs.
