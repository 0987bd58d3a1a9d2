//! Model directories made on the spot: seeded, tiny, loadable by real engines.
