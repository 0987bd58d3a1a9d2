//! The tokenizer: byte-level BPE of [`VOCABULARY`] tokens, as Hugging Face writes it.
//!
//! Ids: the special tokens first, then the 256 bytes, then one token for each merge.
//! As every byte has a token, any text has an encoding and decoding gives it back.
//!
//! The merges are data, `merges.txt`: learned once by the `BpeTrainer` of Hugging
//! Face's `tokenizers` 0.23 from the 65,000 words of Python's `help()` topics. Training
//! here would cost that crate and the seventy-five that come with it, for output that
//! is always the same.

use serde_json::{Map, Value, json};

use super::config::Config;

/// A token with a meaning of its own, which no text turns into by merging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Special {
    /// Its id.
    pub(super) id: usize,
    /// How it is written.
    pub(super) text: &'static str,
}

const fn special(id: usize, text: &'static str) -> Special {
    Special { id, text }
}

/// Begins every chat.
pub(super) const BOS: Special = special(0, "<s>");
/// Ends a text.
pub(super) const EOS: Special = special(1, "</s>");
/// Fills a batch.
pub(super) const PAD: Special = special(2, "<pad>");
/// Begins a message of a chat (`ChatML`).
pub(super) const IM_START: Special = special(3, "<|im_start|>");
/// Ends a message of a chat.
pub(super) const IM_END: Special = special(4, "<|im_end|>");

/// In the order of their ids.
const SPECIALS: [Special; 5] = [BOS, EOS, PAD, IM_START, IM_END];

const MERGES: &str = include_str!("merges.txt");
const CHAT_TEMPLATE: &str = include_str!("chat_template.jinja");

/// Tokens: 5 special ones, 256 bytes, 1787 merges.
///
/// Dynamo's mocker (1.4.2, measured) answers with ids drawn from 1000 to 1999, whatever
/// the model: with fewer tokens than that its answers are empty text. Here each of
/// those ids is a merge, so the answers are whole characters.
pub(super) const VOCABULARY: usize = 2048;

/// How byte-level BPE writes a byte as a character: itself where it prints, else the
/// next character from U+0100 on (`bytes_to_unicode` of GPT-2's encoder).
fn byte_characters() -> [char; 256] {
    let mut spare = ('\u{100}'..).take(256);
    std::array::from_fn(|index| match u8::try_from(index) {
        Ok(byte @ (b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)) => char::from(byte),
        _ => spare.next().unwrap_or(char::REPLACEMENT_CHARACTER),
    })
}

/// The pairs of tokens that merge, the most eager first.
fn merges() -> impl Iterator<Item = (&'static str, &'static str)> {
    MERGES.lines().filter_map(|line| line.split_once(' '))
}

fn vocabulary() -> Map<String, Value> {
    let specials = SPECIALS.iter().map(|special| special.text.to_owned());
    let bytes = byte_characters().map(String::from);
    let merged = merges().map(|(left, right)| format!("{left}{right}"));
    specials
        .chain(bytes)
        .chain(merged)
        .enumerate()
        .map(|(id, token)| (token, Value::from(id)))
        .collect()
}

/// `tokenizer.json`.
pub(super) fn tokenizer() -> Value {
    let added: Vec<Value> = SPECIALS
        .iter()
        .map(|special| {
            let mut token = added_token(special);
            token["id"] = special.id.into();
            token
        })
        .collect();
    let byte_level = json!({
        "type": "ByteLevel",
        "add_prefix_space": false,
        "trim_offsets": true,
        "use_regex": true,
    });
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": byte_level,
        // No beginning-of-text token is added: the chat template writes its own.
        "post_processor": null,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
            "vocab": vocabulary(),
            "merges": merges().map(|(left, right)| [left, right]).collect::<Vec<_>>(),
        },
    })
}

fn added_token(special: &Special) -> Value {
    json!({
        "content": special.text,
        "single_word": false,
        "lstrip": false,
        "rstrip": false,
        "normalized": false,
        "special": true,
    })
}

/// `tokenizer_config.json`.
pub(super) fn tokenizer_config(config: &Config) -> Value {
    let decoder: Map<String, Value> = SPECIALS
        .iter()
        .map(|special| (special.id.to_string(), added_token(special)))
        .collect();
    let mut tokenizer_config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config.max_position_embeddings,
        "added_tokens_decoder": decoder,
        "add_bos_token": false,
        "clean_up_tokenization_spaces": false,
        "chat_template": CHAT_TEMPLATE,
    });
    if let (Value::Object(fields), Value::Object(names)) =
        (&mut tokenizer_config, special_tokens_map())
    {
        fields.extend(names);
    }
    tokenizer_config
}

/// `special_tokens_map.json`.
pub(super) fn special_tokens_map() -> Value {
    json!({
        "bos_token": BOS.text,
        "eos_token": EOS.text,
        "pad_token": PAD.text,
        "additional_special_tokens": [IM_START.text, IM_END.text],
    })
}
