//! Events in, text for a terminal out.
