//! Tokens: names that one session of this user on this machine can have at a time.
//!
//! A token is a lock (`flock(2)`) on an empty file in the user's cache. The kernel lets go of it
//! when its holder dies, so a crash keeps nobody out, and a file, other than an abstract socket,
//! is the same on both sides of the walls of a sandbox. The files stay.

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};
use tokio::time::sleep;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// Why a token was not had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error(
        "{0:?} cannot be a token's name: it has 1 to 100 letters, digits, '-', '_' or '.', \
         and does not begin with a '.'"
    )]
    Name(String),
    #[error("no folder for tokens: neither XDG_CACHE_HOME nor HOME is set")]
    NoFolder,
    #[error("the token {name:?} cannot be taken: {}: {source}", path.display())]
    File {
        name: String,
        path: PathBuf,
        source: io::Error,
    },
    #[error("the token {name:?} is held by another session after {} s", waited.as_secs_f64())]
    Held { name: String, waited: Duration },
}

/// A token that is had while this lives.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) name: String,
    _lock: File,
}

/// Where tokens are.
#[derive(Debug)]
pub(crate) struct Tokens {
    folder: Option<PathBuf>,
}

impl Tokens {
    /// Those of the user whose process this is.
    pub(crate) fn of_user() -> Self {
        let folder = |name| std::env::var_os(name).map(PathBuf::from);
        let absolute = |path: &PathBuf| path.is_absolute();
        let cache = folder("XDG_CACHE_HOME")
            .filter(absolute)
            .or_else(|| Some(folder("HOME").filter(absolute)?.join(".cache")));
        Self {
            folder: cache.map(|cache| cache.join("dyno/tokens")),
        }
    }

    /// Takes a token, and waits for it so long.
    pub(crate) async fn take(&self, name: &str, patience: Duration) -> Result<Token, TokenError> {
        let is_fit = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(is_fit)
        {
            return Err(TokenError::Name(name.to_owned()));
        }
        let folder = self.folder.as_ref().ok_or(TokenError::NoFolder)?;
        let path = folder.join(name);
        let fails = |source: io::Error| TokenError::File {
            name: name.to_owned(),
            path: path.clone(),
            source,
        };
        let file = open(folder, &path).map_err(fails)?;
        let began = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    return Ok(Token {
                        name: name.to_owned(),
                        _lock: file,
                    });
                }
                Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                Err(error) => return Err(fails(error.into())),
            }
            if began.elapsed() >= patience {
                return Err(TokenError::Held {
                    name: name.to_owned(),
                    waited: patience,
                });
            }
            sleep(PAUSE).await;
        }
    }
}

fn open(folder: &Path, path: &Path) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(future)
    }

    #[test]
    fn a_token_is_had_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens {
            folder: Some(folder.path().join("a/b")),
        };
        block_on(async {
            let first = tokens.take("lab-gpu", Duration::ZERO).await.unwrap();
            assert_eq!(first.name, "lab-gpu");
            let held = tokens.take("lab-gpu", Duration::from_millis(30)).await;
            assert_eq!(
                held.unwrap_err().to_string(),
                r#"the token "lab-gpu" is held by another session after 0.03 s"#
            );
            tokens.take("other", Duration::ZERO).await.unwrap();
            let waits = tokens.take("lab-gpu", Duration::from_secs(60));
            let gives = async move {
                tokio::task::yield_now().await;
                drop(first);
            };
            let (had, ()) = tokio::join!(waits, gives);
            had.unwrap();
        });
    }

    #[test]
    fn names_that_are_no_file_names_are_refused() {
        let tokens = Tokens { folder: None };
        for name in ["", "a/b", "..", ".x", "a b", "ä", &"x".repeat(101)] {
            let refused = block_on(tokens.take(name, Duration::ZERO)).unwrap_err();
            assert!(matches!(refused, TokenError::Name(_)), "{name:?}");
        }
        let none = block_on(tokens.take("fit", Duration::ZERO)).unwrap_err();
        assert!(matches!(none, TokenError::NoFolder));
    }
}
