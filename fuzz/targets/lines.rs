//! Mutations that keep lines whole: what is changed byte by byte is seldom Python.

/// Lines to put in: what discovery and evaluation have rules for. Words between `<` and `>`
/// become words of the input.
const LINES: &str = include_str!("../dictionaries/python.lines");

/// Changes an input: lines and words as often as bytes.
pub(crate) fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut chance = Chance(u64::from(seed) | 1 << 40);
    if chance.below(3) == 0 {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    let text = String::from_utf8_lossy(&data[..size]).into_owned();
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    for _ in 0..=chance.below(3) {
        change(&mut lines, &text, &mut chance);
    }
    let changed = lines.join("\n");
    let length = changed.len().min(max_size);
    data[..length].copy_from_slice(&changed.as_bytes()[..length]);
    length
}

fn change(lines: &mut Vec<String>, text: &str, chance: &mut Chance) {
    if lines.is_empty() {
        lines.push(String::new());
    }
    let (one, other) = (chance.below(lines.len()), chance.below(lines.len()));
    match chance.below(8) {
        0 => drop(lines.remove(one)),
        1 => lines.insert(one, lines[other].clone()),
        2 => lines.swap(one, other),
        3 => lines[one].insert_str(0, "    "),
        4 => {
            lines[one] = lines[one]
                .strip_prefix("    ")
                .unwrap_or_default()
                .to_owned()
        }
        5 => {
            let new: Vec<&str> = LINES.lines().collect();
            let mut new = new[chance.below(new.len())].to_owned();
            while let Some((start, end)) = new.find('<').zip(new.find('>')) {
                if start > end {
                    break;
                }
                new.replace_range(start..=end, word(text, chance));
            }
            let indent = lines[one].len() - lines[one].trim_start().len();
            lines.insert(one, format!("{}{new}", &lines[one][..indent]));
        }
        _ => {
            let (from, to) = (word(&lines[one], chance).to_owned(), word(text, chance));
            if !from.is_empty() {
                lines[one] = lines[one].replacen(&from, to, 1);
            }
        }
    }
}

/// A word or a sign of a text.
fn word<'a>(text: &'a str, chance: &mut Chance) -> &'a str {
    let breaks = |c: char| !c.is_alphanumeric() && c != '_';
    let words: Vec<&str> = text.split_inclusive(breaks).collect();
    if words.is_empty() {
        return "x";
    }
    let found = words[chance.below(words.len())];
    match found.trim_end_matches(breaks) {
        "" => found.trim(),
        plain => plain,
    }
}

/// Xorshift: any sequence that depends on the seed will do.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % limit.max(1)
    }
}
