//! Serves one test session: processes, readiness, logs and port leases.
