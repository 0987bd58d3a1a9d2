//! Model directories made on the spot: seeded, tiny, loadable by real engines.
//!
//! A serving test needs a model, and a downloaded one needs a network, a token and a
//! gigabyte. [`tiny`] writes one from nothing but a seed, in the layout of the Hugging
//! Face Hub, that the mocker, transformers and vLLM all take.
//!
//! The crate knows files and formats; it starts nothing and uses no other crate of the
//! workspace.

pub mod tiny;
