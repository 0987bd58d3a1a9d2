//! The weights: seeded, close to normal, in `bfloat16`, as one safetensors file.
//!
//! Only integers and exact sums stand between the seed and the bytes. A normal
//! deviate is the sum of four uniform ones (Irwin and Hall), near enough for weights
//! that mean nothing, because `ln` and `cos` differ in their last bit from one C library
//! to the next.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use safetensors::tensor::{Dtype, View};
use std::borrow::Cow;
use std::collections::HashMap;

use super::config::Config;

/// Standard deviation of the weights. `1/sqrt(hidden_size)` keeps activations and
/// logits near 1: far enough apart that greedy decoding does not hang on the last bit
/// of a kernel's sum.
const DEVIATION: f32 = 0.088;

/// The square root of 3, to the nearest `f32`.
const SQRT_3: f32 = 1.732_050_8;

/// One tensor in row-major order, little-endian `bfloat16`.
struct Tensor {
    name: String,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        Dtype::BF16
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// `model.safetensors` of a Llama of shape `config`.
///
/// # Panics
///
/// Never: safetensors refuses only a tensor whose bytes do not fit its shape.
pub(super) fn safetensors(config: &Config, seed: u64) -> Vec<u8> {
    let mut rng = generator(seed);
    let tensors: Vec<Tensor> = shapes(config)
        .into_iter()
        .map(|(name, shape)| random_tensor(&mut rng, name, shape))
        .collect();
    // transformers refuses a file that does not say which framework wrote it.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let named = tensors.iter().map(|tensor| (tensor.name.as_str(), tensor));
    safetensors::serialize(named, Some(metadata)).expect("tensors fit their shapes")
}

/// `ChaCha8`, whose output `rand_chacha` promises never to change.
fn generator(seed: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// Names and shapes as transformers' `LlamaForCausalLM` has them: a linear layer is
/// `[out, in]`.
fn shapes(config: &Config) -> Vec<(String, Vec<usize>)> {
    let hidden = config.hidden_size;
    let queries = config.num_attention_heads * config.head_dim;
    let keys = config.num_key_value_heads * config.head_dim;
    let wide = config.intermediate_size;
    let mut all = vec![(
        "model.embed_tokens.weight".to_owned(),
        vec![config.vocab_size, hidden],
    )];
    for layer in 0..config.num_hidden_layers {
        all.extend(
            [
                ("input_layernorm", vec![hidden]),
                ("self_attn.q_proj", vec![queries, hidden]),
                ("self_attn.k_proj", vec![keys, hidden]),
                ("self_attn.v_proj", vec![keys, hidden]),
                ("self_attn.o_proj", vec![hidden, queries]),
                ("post_attention_layernorm", vec![hidden]),
                ("mlp.gate_proj", vec![wide, hidden]),
                ("mlp.up_proj", vec![wide, hidden]),
                ("mlp.down_proj", vec![hidden, wide]),
            ]
            .map(|(name, shape)| (format!("model.layers.{layer}.{name}.weight"), shape)),
        );
    }
    all.push(("model.norm.weight".to_owned(), vec![hidden]));
    all.push(("lm_head.weight".to_owned(), vec![config.vocab_size, hidden]));
    all
}

/// A vector is the gain of a norm and stays 1; a matrix is random.
fn random_tensor(rng: &mut ChaCha8Rng, name: String, shape: Vec<usize>) -> Tensor {
    let length = shape.iter().product();
    let mut value = || match shape.len() {
        1 => 1.0,
        _ => DEVIATION * normal(rng),
    };
    let bytes = (0..length).flat_map(|_| bfloat16(value())).collect();
    Tensor { name, shape, bytes }
}

/// A deviate of mean 0 and deviation 1: four uniform numbers below 2^16, whose sum is
/// exact in an `f32` and has mean 2 (in units of 2^16) and variance 4/12.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let bytes = rng.next_u64().to_le_bytes();
    let (lanes, _) = bytes.as_chunks::<2>();
    let sum: f32 = lanes
        .iter()
        .map(|&lane| f32::from(u16::from_le_bytes(lane)))
        .sum();
    (sum / 65536.0 - 2.0) * SQRT_3
}

/// `value` cut to the upper half of its bits, which is what `bfloat16` is.
fn bfloat16(value: f32) -> [u8; 2] {
    let [_, _, low, high] = value.to_le_bytes();
    [low, high]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviates_have_mean_zero_and_deviation_one() {
        let mut rng = generator(0);
        let drawn: Vec<f32> = (0..20_000).map(|_| normal(&mut rng)).collect();
        let count = 20_000.0;
        let mean = drawn.iter().sum::<f32>() / count;
        let variance = drawn
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f32>()
            / count;
        // Three standard errors of each.
        assert!(mean.abs() < 0.022, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.03, "variance {variance}");
    }

    #[test]
    fn a_bfloat16_is_the_upper_half_of_an_f32() {
        for (value, bits) in [(1.0, 0x3F80_u16), (-2.0, 0xC000), (0.0, 0)] {
            assert_eq!(u16::from_le_bytes(bfloat16(value)), bits, "{value}");
        }
    }
}
