//! The shape of the network, and the two JSON files that state it.

use serde_json::{Value, json};

use super::tokenizer::{BOS, EOS, IM_END, PAD, VOCABULARY};

/// The shape of a Llama, in the field names of Hugging Face's `config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the gated MLP.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads.
    pub num_key_value_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Tokens of the vocabulary.
    pub vocab_size: usize,
    /// Longest context, in tokens.
    pub max_position_embeddings: usize,
}

/// The one shape that is written.
///
/// Heads of 64 because the attention kernels of real engines take no smaller common
/// width (vLLM 0.26 on the CPU: 32, 64, 80 and up; `FlashInfer`: 64 and up). Two
/// key-value heads so that the model splits over two GPUs. A context of 4096 tokens is
/// 4 MiB of KV cache in bf16, and short enough to overflow in a test.
pub const CONFIG: Config = Config {
    hidden_size: 128,
    intermediate_size: 256,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 2,
    head_dim: 64,
    vocab_size: VOCABULARY,
    max_position_embeddings: 4096,
};

impl Config {
    /// `config.json`.
    pub(super) fn json(&self) -> Value {
        json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "vocab_size": self.vocab_size,
            "max_position_embeddings": self.max_position_embeddings,
            "bos_token_id": BOS.id,
            "eos_token_id": EOS.id,
            "pad_token_id": PAD.id,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0,
            "attention_bias": false,
            "mlp_bias": false,
            "tie_word_embeddings": false,
            "use_cache": true,
            // The older spelling: transformers 4 and 5, vLLM and Dynamo all read it.
            "torch_dtype": "bfloat16",
        })
    }

    /// `generation_config.json`. Sampling is left at its defaults, so that a request
    /// with temperature 0 is the only thing that makes the output greedy.
    #[expect(
        clippy::unused_self,
        reason = "it belongs to the model, whatever its shape"
    )]
    pub(super) fn generation_json(&self) -> Value {
        json!({
            "bos_token_id": BOS.id,
            "eos_token_id": [EOS.id, IM_END.id],
            "pad_token_id": PAD.id,
        })
    }
}
