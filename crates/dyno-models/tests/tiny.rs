//! The tiny model as its readers see it: through its files.

use dyno_models::tiny::{CONFIG, IfOccupied, TinyModel, WriteError, Written, files, write};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

const SEED_7: TinyModel = TinyModel { seed: 7 };
const SEED_8: TinyModel = TinyModel { seed: 8 };

/// Name and content of every entry of `dir`, hidden ones too.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// What a directory with nothing but `model` holds.
fn expected(model: TinyModel) -> BTreeMap<String, Vec<u8>> {
    files(&model)
        .into_iter()
        .map(|file| (file.name.to_owned(), file.content))
        .collect()
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&expected(SEED_7)[name]).unwrap()
}

#[test]
fn the_bytes_are_those_of_every_other_machine() {
    // FNV-1a. A change here is a change of the model for everyone: say so in CHANGELOG.md.
    let fingerprint = |bytes: &[u8]| {
        bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
        })
    };
    let found: Vec<(&str, String)> = files(&SEED_7)
        .iter()
        .map(|file| (file.name, format!("{:016x}", fingerprint(&file.content))))
        .collect();
    let golden = [
        ("model.safetensors", "db8311c0df67d300"),
        ("tokenizer.json", "7b7d5927020e6c7c"),
        ("tokenizer_config.json", "fc5dfbb2f9f44bcd"),
        ("special_tokens_map.json", "874207f55c907e28"),
        ("generation_config.json", "4e2968476308ff78"),
        ("config.json", "d36992e9194f2470"),
    ];
    let golden = golden.map(|(name, hash)| (name, hash.to_owned()));
    assert_eq!(found, golden);
}

#[test]
fn another_seed_changes_the_weights_alone() {
    assert_eq!(files(&SEED_7), files(&SEED_7));
    let (seven, eight) = (files(&SEED_7), files(&SEED_8));
    let changed: Vec<&str> = std::iter::zip(&seven, &eight)
        .filter(|(left, right)| left != right)
        .map(|(left, _)| left.name)
        .collect();
    assert_eq!(changed, ["model.safetensors"]);
}

#[test]
fn the_weights_are_those_of_a_llama_of_the_config() {
    let config = json("config.json");
    let size = |field: &str| usize::try_from(config[field].as_u64().unwrap()).unwrap();
    let hidden = size("hidden_size");
    assert_eq!(
        size("num_attention_heads") * size("head_dim"),
        hidden,
        "engines that ignore head_dim divide"
    );

    let bytes = &expected(SEED_7)["model.safetensors"];
    let weights = SafeTensors::deserialize(bytes).unwrap();
    let keys = size("num_key_value_heads") * size("head_dim");
    let wide = size("intermediate_size");
    let mut shapes = BTreeMap::from([
        (
            "model.embed_tokens.weight".to_owned(),
            vec![size("vocab_size"), hidden],
        ),
        (
            "lm_head.weight".to_owned(),
            vec![size("vocab_size"), hidden],
        ),
        ("model.norm.weight".to_owned(), vec![hidden]),
    ]);
    for layer in 0..size("num_hidden_layers") {
        for (part, shape) in [
            ("input_layernorm", vec![hidden]),
            ("post_attention_layernorm", vec![hidden]),
            ("self_attn.q_proj", vec![hidden, hidden]),
            ("self_attn.k_proj", vec![keys, hidden]),
            ("self_attn.v_proj", vec![keys, hidden]),
            ("self_attn.o_proj", vec![hidden, hidden]),
            ("mlp.gate_proj", vec![wide, hidden]),
            ("mlp.up_proj", vec![wide, hidden]),
            ("mlp.down_proj", vec![hidden, wide]),
        ] {
            shapes.insert(format!("model.layers.{layer}.{part}.weight"), shape);
        }
    }
    let found: BTreeMap<String, Vec<usize>> = weights
        .iter()
        .map(|(name, tensor)| (name.to_owned(), tensor.shape().to_vec()))
        .collect();
    assert_eq!(found, shapes);
    assert!(
        weights
            .iter()
            .all(|(_, tensor)| tensor.dtype() == Dtype::BF16)
    );
    assert_eq!(config["torch_dtype"], "bfloat16");
}

#[test]
fn special_tokens_have_one_id_in_every_file() {
    let tokenizer = json("tokenizer.json");
    let settings = json("tokenizer_config.json");
    let ids: HashMap<&str, u64> = tokenizer["added_tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| {
            (
                token["content"].as_str().unwrap(),
                token["id"].as_u64().unwrap(),
            )
        })
        .collect();
    for (text, id) in &ids {
        assert_eq!(tokenizer["model"]["vocab"][text], *id);
        assert_eq!(
            settings["added_tokens_decoder"][id.to_string()]["content"],
            *text
        );
    }
    for file in ["config.json", "generation_config.json"] {
        let file = json(file);
        for role in ["bos", "eos", "pad"] {
            let text = settings[format!("{role}_token")].as_str().unwrap();
            let stated = &file[format!("{role}_token_id")];
            let first = stated.get(0).unwrap_or(stated);
            assert_eq!(*first, ids[text], "{role}");
        }
    }
    assert_eq!(
        json("generation_config.json")["eos_token_id"][1],
        ids["<|im_end|>"]
    );
}

/// Byte-level BPE by its definition, over the written file: the reading side.
struct Bpe {
    ids: HashMap<String, u64>,
    ranks: HashMap<(String, String), usize>,
    characters: Vec<char>,
}

impl Bpe {
    fn read(tokenizer: &Value) -> Self {
        let model = &tokenizer["model"];
        let ids: HashMap<String, u64> = serde_json::from_value(model["vocab"].clone()).unwrap();
        let merges: Vec<(String, String)> =
            serde_json::from_value(model["merges"].clone()).unwrap();
        let specials = tokenizer["added_tokens"].as_array().unwrap().len() as u64;
        let mut bytes: Vec<(u64, char)> = ids
            .iter()
            .filter(|(_, id)| (specials..specials + 256).contains(id))
            .map(|(token, id)| (*id, token.parse().unwrap()))
            .collect();
        bytes.sort_unstable();
        Self {
            ids,
            ranks: merges.into_iter().zip(0..).collect(),
            characters: bytes.into_iter().map(|(_, character)| character).collect(),
        }
    }

    fn encode(&self, text: &[u8]) -> Vec<String> {
        let mut tokens: Vec<String> = text
            .iter()
            .map(|byte| self.characters[usize::from(*byte)].to_string())
            .collect();
        loop {
            let best = tokens
                .windows(2)
                .enumerate()
                .filter_map(|(at, pair)| {
                    let pair = (pair[0].clone(), pair[1].clone());
                    Some((*self.ranks.get(&pair)?, at))
                })
                .min();
            let Some((_, at)) = best else { return tokens };
            let right = tokens.remove(at + 1);
            tokens[at].push_str(&right);
        }
    }

    fn decode(&self, tokens: &[String]) -> Vec<u8> {
        let byte = |character| {
            let at = self.characters.iter().position(|&known| known == character);
            u8::try_from(at.unwrap()).unwrap()
        };
        tokens.concat().chars().map(byte).collect()
    }
}

#[test]
fn the_vocabulary_is_whole() {
    let bpe = &*BPE;
    let mut ids: Vec<u64> = bpe.ids.values().copied().collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..CONFIG.vocab_size as u64).collect::<Vec<_>>());
    assert_eq!(json("config.json")["vocab_size"], CONFIG.vocab_size);
    // The characters of the bytes, as GPT-2 and all after it have them.
    for (byte, character) in [
        (b' ', 'Ġ'),
        (b'\n', 'Ċ'),
        (b'a', 'a'),
        (0xFF, 'ÿ'),
        (0, 'Ā'),
    ] {
        assert_eq!(bpe.characters[usize::from(byte)], character);
    }
    for (left, right) in bpe.ranks.keys() {
        for token in [left.clone(), right.clone(), format!("{left}{right}")] {
            assert!(bpe.ids.contains_key(&token), "{token}");
        }
    }
    // Common words are one token, so that a context holds more than bytes.
    assert_eq!(bpe.encode(b" the"), ["Ġthe"]);
}

#[test]
fn what_the_mocker_answers_is_text() {
    // Dynamo's mocker draws its tokens from these ids, whatever the model.
    for (token, id) in &BPE.ids {
        if (1000..2000).contains(id) {
            let text = String::from_utf8(BPE.decode(std::slice::from_ref(token)));
            assert!(
                text.is_ok_and(|text| !text.trim().is_empty()),
                "{id} {token}"
            );
        }
    }
}

static BPE: LazyLock<Bpe> = LazyLock::new(|| Bpe::read(&json("tokenizer.json")));

proptest::proptest! {
    #[test]
    fn every_byte_string_comes_back(text: Vec<u8>) {
        let bpe = &*BPE;
        let tokens = bpe.encode(&text);
        for token in &tokens {
            proptest::prop_assert!(bpe.ids.contains_key(token), "{}", token);
        }
        proptest::prop_assert_eq!(bpe.decode(&tokens), text);
    }
}

#[test]
fn a_missing_directory_is_made_with_its_parents_and_nothing_beside_it() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a/b/model");
    let written = write(&dir, &SEED_7, IfOccupied::Refuse).unwrap();
    assert_eq!(written, Written::New);
    assert_eq!(contents(&dir), expected(SEED_7));
    let beside = fs::read_dir(dir.parent().unwrap()).unwrap().count();
    assert_eq!(beside, 1);
}

#[test]
fn an_empty_directory_is_filled_and_stays_the_same_directory() {
    use std::os::unix::fs::MetadataExt as _;
    let dir = tempfile::tempdir().unwrap();
    let inode = fs::metadata(dir.path()).unwrap().ino();
    write(dir.path(), &SEED_7, IfOccupied::Refuse).unwrap();
    assert_eq!(contents(dir.path()), expected(SEED_7));
    assert_eq!(fs::metadata(dir.path()).unwrap().ino(), inode);
}

#[test]
fn the_model_that_is_there_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &SEED_7, IfOccupied::Refuse).unwrap();
    fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    let stamp = || {
        fs::metadata(dir.path().join("config.json"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = stamp();
    for occupied in [IfOccupied::Refuse, IfOccupied::Replace] {
        let written = write(dir.path(), &SEED_7, occupied).unwrap();
        assert_eq!(written, Written::AlreadyThere);
    }
    assert_eq!(stamp(), before);
}

#[test]
fn what_others_put_there_is_refused_and_untouched() {
    let other_model = files(&SEED_8).swap_remove(0);
    let cases = [
        ("notes.txt", b"mine".to_vec()),
        ("config.json", b"{}".to_vec()),
        (other_model.name, other_model.content),
    ];
    for (name, content) in cases {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(name), &content).unwrap();
        let error = write(dir.path(), &SEED_7, IfOccupied::Refuse).unwrap_err();
        assert!(matches!(error, WriteError::Occupied { entry, .. } if entry == name));
        let untouched = BTreeMap::from([(name.to_owned(), content)]);
        assert_eq!(contents(dir.path()), untouched);
    }
}

#[test]
fn replacing_keeps_what_is_not_the_models() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &SEED_8, IfOccupied::Refuse).unwrap();
    fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    let written = write(dir.path(), &SEED_7, IfOccupied::Replace).unwrap();
    assert_eq!(written, Written::New);
    let mut whole = expected(SEED_7);
    whole.insert("notes.txt".to_owned(), b"mine".to_vec());
    assert_eq!(contents(dir.path()), whole);
}

#[test]
fn a_run_that_ends_half_way_leaves_no_config() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &SEED_8, IfOccupied::Refuse).unwrap();
    let in_the_way = dir.path().join("tokenizer_config.json");
    fs::remove_file(&in_the_way).unwrap();
    fs::create_dir(&in_the_way).unwrap();
    let error = write(dir.path(), &SEED_7, IfOccupied::Replace).unwrap_err();
    assert!(matches!(error, WriteError::Io { .. }), "{error}");
    assert!(!dir.path().join("config.json").exists());
}

#[test]
fn what_a_killed_run_left_is_completed() {
    let dir = tempfile::tempdir().unwrap();
    for file in &files(&SEED_7)[..3] {
        fs::write(dir.path().join(file.name), &file.content).unwrap();
    }
    fs::write(dir.path().join(".dyno-x1y2z3"), "half").unwrap();
    write(dir.path(), &SEED_7, IfOccupied::Refuse).unwrap();
    let mut found = contents(dir.path());
    found.remove(".dyno-x1y2z3");
    assert_eq!(found, expected(SEED_7));
}

#[test]
fn a_file_in_the_place_is_no_directory() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in [file.path().to_owned(), file.path().join("below")] {
        let error = write(&path, &SEED_7, IfOccupied::Replace).unwrap_err();
        assert!(
            error.to_string().contains(file.path().to_str().unwrap()),
            "{error}"
        );
    }
}

/// Writes with `seeds` at once into `dir`; how each ended.
fn race(dir: &Path, seeds: &[u64], occupied: IfOccupied) -> Vec<Result<Written, WriteError>> {
    let start = std::sync::Barrier::new(seeds.len());
    std::thread::scope(|scope| {
        let runs: Vec<_> = seeds
            .iter()
            .map(|&seed| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    write(dir, &TinyModel { seed }, occupied)
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    })
}

#[test]
fn runs_at_once_with_one_seed_all_succeed() {
    for exists in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("model");
        if exists {
            fs::create_dir(&dir).unwrap();
        }
        let ended = race(&dir, &[7; 8], IfOccupied::Refuse);
        assert!(ended.iter().all(Result::is_ok), "{ended:?}");
        assert_eq!(contents(&dir), expected(SEED_7));
    }
}

#[test]
fn of_runs_at_once_with_two_seeds_one_seed_wins_and_the_other_hears_of_it() {
    for exists in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("model");
        if exists {
            fs::create_dir(&dir).unwrap();
        }
        let seeds = [7, 8, 7, 8];
        let ended = race(&dir, &seeds, IfOccupied::Refuse);
        let found = contents(&dir);
        for (seed, ended) in std::iter::zip(seeds, ended) {
            let won = found == expected(TinyModel { seed });
            assert_eq!(ended.is_ok(), won, "seed {seed}: {ended:?}");
        }
        assert!(found == expected(SEED_7) || found == expected(SEED_8));
    }
}

#[test]
fn runs_at_once_that_replace_leave_one_whole_model() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &TinyModel { seed: 1 }, IfOccupied::Refuse).unwrap();
    let ended = race(dir.path(), &[7, 8, 7, 8], IfOccupied::Replace);
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    let found = contents(dir.path());
    assert!(found == expected(SEED_7) || found == expected(SEED_8));
}
