//! How much is to be said: pytest's `-v` and `-q`, counted as it counts them.

use dyno_model::PytestConfig;

/// pytest's short options that take the rest of their cluster, or the next word, as value.
const VALUED: &[u8] = b"kmpcorW";

/// pytest's verbosity: `addopts`, then `PYTEST_ADDOPTS`, then the arguments, each `-v` one
/// more and each `-q` one less, and `--verbosity=N` setting it.
pub(crate) fn verbosity(config: &PytestConfig, from_variable: &str, args: &[String]) -> i32 {
    let addopts = config.ini.iter().find(|(name, _)| name == "addopts");
    let addopts = addopts.map(|(_, text)| text.as_str()).unwrap_or_default();
    let words = addopts
        .split_whitespace()
        .chain(from_variable.split_whitespace());
    count(words.chain(args.iter().map(String::as_str)))
}

fn count<'a>(words: impl Iterator<Item = &'a str>) -> i32 {
    let mut verbosity = 0_i32;
    let mut words = words;
    while let Some(word) = words.next() {
        match word {
            "--" => break,
            "--verbose" => verbosity += 1,
            "--quiet" => verbosity -= 1,
            "--verbosity" => set(&mut verbosity, words.next().unwrap_or_default()),
            _ => {
                if let Some(value) = word.strip_prefix("--verbosity=") {
                    set(&mut verbosity, value);
                } else if let (Some(cluster), false) =
                    (word.strip_prefix('-'), word.starts_with("--"))
                {
                    let letters = cluster.bytes();
                    for (index, letter) in letters.enumerate() {
                        match letter {
                            b'v' => verbosity += 1,
                            b'q' => verbosity -= 1,
                            valued if VALUED.contains(&valued) => {
                                if index + 1 == cluster.len() {
                                    words.next();
                                }
                                break;
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
    }
    verbosity
}

fn set(verbosity: &mut i32, value: &str) {
    if let Ok(value) = value.parse() {
        *verbosity = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_and_values() {
        for (line, expected) in [
            ("", 0),
            ("-q", -1),
            ("-qq -v tests", -1),
            ("-k q -m -q -vx", 1),
            ("-kq -rq -p no:q", 0),
            ("-xq --quiet --verbose", -1),
            ("-q --verbosity=2 -v", 3),
            ("--verbosity -2", -2),
            ("-- -q", 0),
        ] {
            assert_eq!(count(line.split_whitespace()), expected, "{line}");
        }
    }
}
