//! Models of the Hugging Face Hub: fetched, checked and kept in the cache that all tools share.
//!
//! The cache has the layout of `huggingface_hub`, so that what dyno fetched is there for a
//! suite, for vLLM and for transformers, and the other way round.

mod place;

pub use place::{Place, Token, TokenSource};
