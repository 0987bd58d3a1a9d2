//! What a file's bytes must be: the Hub announces it, and the cache names blobs by it.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use std::fmt;

/// The checksum that the Hub announces for a file. Its text is the blob's name in a cache.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Checksum {
    /// Of a file in large-file storage: the SHA-256 of its bytes, in hex.
    Sha256(String),
    /// Of any other file: git's id of the blob, the SHA-1 of `blob <length>\0` and its bytes.
    Git(String),
}

impl Checksum {
    /// By its text; none where it is neither 64 nor 40 lowercase hex digits.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if !text.bytes().all(hex) {
            return None;
        }
        match text.len() {
            64 => Some(Self::Sha256(text.to_owned())),
            40 => Some(Self::Git(text.to_owned())),
            _ => None,
        }
    }

    /// By an `ETag`: weak or not, in quotes.
    pub(crate) fn of_etag(etag: &str) -> Option<Self> {
        let etag = etag.trim();
        Self::new(etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"'))
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::Git(hex) => hex,
        }
    }

    /// A sum of this kind, of nothing yet, for a file of `size` bytes.
    pub(crate) fn begin(&self, size: u64) -> Sum {
        match self {
            Self::Sha256(_) => Sum(Context::new(&SHA256)),
            Self::Git(_) => {
                let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
                context.update(format!("blob {size}\0").as_bytes());
                Sum(context)
            }
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(hex) => write!(out, "sha256 {hex}"),
            Self::Git(hex) => write!(out, "git {hex}"),
        }
    }
}

/// A checksum in the making.
pub(crate) struct Sum(Context);

impl Sum {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// In hex.
    pub(crate) fn finish(self) -> String {
        use fmt::Write;
        let mut hex = String::with_capacity(64);
        for byte in self.0.finish().as_ref() {
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_told_by_its_length_and_digits() {
        let (sha, git) = ("a".repeat(64), "0".repeat(40));
        let table = [
            (format!("\"{sha}\""), Some(Checksum::Sha256(sha.clone()))),
            (format!("W/\"{git}\""), Some(Checksum::Git(git.clone()))),
            (git.clone(), Some(Checksum::Git(git))),
            ("\"../../etc/passwd\"".to_owned(), None),
            (sha.to_uppercase(), None),
            (String::new(), None),
        ];
        for (etag, checksum) in table {
            assert_eq!(Checksum::of_etag(&etag), checksum, "{etag}");
        }
    }

    #[test]
    fn sums_are_those_of_git_and_sha256sum() {
        // `printf hello | sha256sum`, `printf hello | git hash-object --stdin`
        let table = [
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0",
        ];
        for expected in table {
            let checksum = Checksum::new(expected).unwrap();
            let mut sum = checksum.begin(5);
            sum.add(b"he");
            sum.add(b"llo");
            assert_eq!(sum.finish(), checksum.as_str());
        }
    }
}
