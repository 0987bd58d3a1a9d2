//! A test session and its agent.
