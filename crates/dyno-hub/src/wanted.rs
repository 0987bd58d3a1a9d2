//! Which files of a model are wanted.

use dyno_model::{Fnmatch, ModelFiles};
use std::sync::LazyLock;

/// Weights, by the ends of their names: what transformers, vLLM, `SGLang`, TensorRT-LLM, llama.cpp,
/// Keras, Flax and ONNX read.
const WEIGHTS: [&str; 20] = [
    "*.safetensors",
    "*.bin",
    "*.pt",
    "*.pth",
    "*.ckpt",
    "*.ckpt.*",
    "*.gguf",
    "*.ggml",
    "*.h5",
    "*.keras",
    "*.msgpack",
    "*.onnx",
    "*.onnx_data",
    "*.onnx.data",
    "*.tflite",
    "*.npz",
    "*.npy",
    "*.nemo",
    "*.engine",
    "*.pb",
];

/// What makes and reads tokens, the chat template, the configuration, and code of the model's own
/// for these, by the last part of the path.
const TOKENIZER: [&str; 14] = [
    "config.json",
    "generation_config.json",
    "*tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "*.tiktoken",
    "*.model",
    "tekken.json",
    "params.json",
    "chat_template*",
    "*preprocessor_config.json",
    "*.py",
];

static WEIGHTS_READ: LazyLock<Vec<Fnmatch>> = LazyLock::new(|| read(&WEIGHTS));
static TOKENIZER_READ: LazyLock<Vec<Fnmatch>> = LazyLock::new(|| read(&TOKENIZER));

fn read(patterns: &[&str]) -> Vec<Fnmatch> {
    patterns
        .iter()
        .map(|pattern| Fnmatch::new(pattern))
        .collect()
}

/// Whether a file is among those that are wanted.
pub(crate) fn is_wanted(path: &str, files: ModelFiles) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let any = |patterns: &[Fnmatch]| patterns.iter().any(|pattern| pattern.matches(name));
    match files {
        ModelFiles::All => true,
        ModelFiles::Weightless => !any(&WEIGHTS_READ),
        // Folders hold the parts of pipelines, and other formats of the weights.
        ModelFiles::Tokenizer => {
            let own = !path.contains('/') || path.starts_with("additional_chat_templates/");
            own && !any(&WEIGHTS_READ) && (any(&TOKENIZER_READ) || path != name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_files() {
        let (all, weightless, tokenizer) = (1, 2, 3);
        for (path, kind) in [
            ("model-00001-of-00002.safetensors", all),
            ("pytorch_model.bin", all),
            ("model.gguf", all),
            ("onnx/model.onnx", all),
            ("flax_model.msgpack", all),
            ("model.ckpt.index", all),
            ("README.md", weightless),
            ("model.safetensors.index.json", weightless),
            ("figures/a.png", weightless),
            ("vae/config.json", weightless),
            ("config.json", tokenizer),
            ("tokenizer.json", tokenizer),
            ("tokenizer.model", tokenizer),
            ("tokenizer_config.json", tokenizer),
            ("sentencepiece.bpe.model", tokenizer),
            ("vocab.json", tokenizer),
            ("merges.txt", tokenizer),
            ("chat_template.jinja", tokenizer),
            ("additional_chat_templates/tool_use.jinja", tokenizer),
            ("tokenization_own.py", tokenizer),
        ] {
            assert!(is_wanted(path, ModelFiles::All));
            assert_eq!(
                is_wanted(path, ModelFiles::Weightless),
                kind >= weightless,
                "{path}"
            );
            assert_eq!(
                is_wanted(path, ModelFiles::Tokenizer),
                kind >= tokenizer,
                "{path}"
            );
        }
    }
}
