//! A Llama of two layers with random weights and a byte-level tokenizer.
//!
//! What it is good for: everything about serving that does not depend on what the
//! model says. Its greedy output is fixed for a seed and means nothing.
//!
//! Invariants, each held by a test:
//! - the bytes of every file are a function of [`TinyModel`] alone, on any machine;
//! - another seed changes `model.safetensors` and no other file;
//! - `config.json` is put in place last, so a directory that has one is whole.

mod config;
mod place;
mod tokenizer;
mod weights;

use std::path::Path;

pub use config::{CONFIG, Config};
pub use place::{IfOccupied, WriteError, Written};

/// Which tiny model: all that its bytes depend on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TinyModel {
    /// Seeds the weights, and nothing else.
    pub seed: u64,
}

/// One file of a model directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// Its name in the directory.
    pub name: &'static str,
    /// Its whole content.
    pub content: Vec<u8>,
}

/// The files of `model`, in the order in which they are put in place.
pub fn files(model: &TinyModel) -> Vec<ModelFile> {
    let json = |name, value: &serde_json::Value| ModelFile {
        name,
        content: format!("{value:#}\n").into_bytes(),
    };
    vec![
        ModelFile {
            name: "model.safetensors",
            content: weights::safetensors(&CONFIG, model.seed),
        },
        json("tokenizer.json", &tokenizer::tokenizer()),
        json(
            "tokenizer_config.json",
            &tokenizer::tokenizer_config(&CONFIG),
        ),
        json("special_tokens_map.json", &tokenizer::special_tokens_map()),
        json("generation_config.json", &CONFIG.generation_json()),
        json(place::LAST, &CONFIG.json()),
    ]
}

/// Writes `model` into `dir`, making `dir` and its parents where they are missing.
///
/// A directory that already holds this very model is left as it is. One that holds
/// anything else is refused, unless `occupied` says to replace: then the files of the
/// model are replaced one by one, and other files stay.
///
/// Any number of processes may write at once. A run that is killed leaves a directory
/// without a `config.json`, which no engine takes for a model and which a further run
/// completes, or, where `dir` was missing, a hidden `.dyno-*` folder beside it.
///
/// # Errors
///
/// [`WriteError`]: `dir` is no directory, is occupied, or the file system says no.
pub fn write(dir: &Path, model: &TinyModel, occupied: IfOccupied) -> Result<Written, WriteError> {
    place::put(dir, &files(model), occupied)
}
