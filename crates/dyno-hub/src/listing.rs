//! What a commit of a model holds: the Hub's listing, and the record of it that is kept.

use crate::checksum::Checksum;
use crate::mask::Mask;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a commit holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    /// The commit: 40 hex digits.
    pub(crate) commit: String,
    /// By path, in order, each once.
    pub(crate) files: Vec<ListedFile>,
}

/// One file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedFile {
    /// Relative, with `/`: it stays within its folder.
    pub(crate) path: String,
    /// Where the server says it.
    pub(crate) size: Option<u64>,
    /// Where the server says it.
    pub(crate) checksum: Option<Checksum>,
    /// git's id of what is in the repository, which for a file in large-file storage is a
    /// pointer.
    pub(crate) blob: Option<String>,
}

/// Why a listing is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadListing {
    /// It is not what a Hub says: one clause.
    Form(&'static str),
    /// It names a file that must not be written.
    Path(String),
}

#[derive(Deserialize)]
struct ModelInfo {
    sha: Option<String>,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: Option<String>,
    size: Option<u64>,
}

impl Listing {
    /// Reads the answer of `/api/models/NAME/revision/REVISION?blobs=true`.
    pub(crate) fn read(text: &[u8], mask: &Mask) -> Result<Self, BadListing> {
        let info: ModelInfo = serde_json::from_slice(text)
            .map_err(|_| BadListing::Form("what is no listing of a model"))?;
        let commit = info
            .sha
            .filter(|sha| is_commit(sha))
            .ok_or(BadListing::Form("a listing without a commit"))?;
        let mut files = BTreeMap::new();
        for sibling in info.siblings {
            if !stays_inside(&sibling.rfilename) || mask.is_in(&sibling.rfilename) {
                return Err(BadListing::Path(mask.clean(&sibling.rfilename)));
            }
            files.insert(sibling.rfilename.clone(), ListedFile::of(sibling));
        }
        Ok(Self {
            commit,
            files: files.into_values().collect(),
        })
    }
}

impl ListedFile {
    fn of(sibling: Sibling) -> Self {
        let blob = sibling.blob_id.filter(|id| is_commit(id));
        let (checksum, size) = match sibling.lfs {
            Some(lfs) => (
                lfs.sha256.as_deref().and_then(Checksum::new),
                lfs.size.or(sibling.size),
            ),
            None => (blob.as_deref().and_then(Checksum::new), sibling.size),
        };
        Self {
            path: sibling.rfilename,
            size,
            checksum,
            blob,
        }
    }
}

/// Whether a text is a git commit or blob: 40 lowercase hex digits.
pub(crate) fn is_commit(text: &str) -> bool {
    matches!(Checksum::new(text), Some(Checksum::Git(_)))
}

/// Whether a file of this name is written below the folder that it is relative to, on any
/// system that reads the cache later.
fn stays_inside(path: &str) -> bool {
    let part_is_plain = |part: &str| {
        let drive = part.as_bytes().get(1) == Some(&b':');
        !(part.is_empty() || part == "." || part == ".." || drive || part.len() > 255)
    };
    path.len() <= 1024
        && !path.contains(|letter: char| letter.is_control() || letter == '\\')
        && path.split('/').all(part_is_plain)
}

/// A listing as `huggingface_hub` 2.x keeps it in `trees/COMMIT.json` (`_tree_cache.py`). dyno
/// keeps it in the same form in a place of its own as well, see [`crate::cache`].
#[derive(Serialize, Deserialize)]
pub(crate) struct Record {
    format_version: u32,
    files: BTreeMap<String, RecordedFile>,
}

#[derive(Serialize, Deserialize)]
struct RecordedFile {
    size: u64,
    blob_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lfs_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lfs_size: Option<u64>,
}

const RECORD_VERSION: u32 = 1;

impl Record {
    /// None where the listing lacks what a record has.
    pub(crate) fn of(listing: &Listing) -> Option<Self> {
        let recorded = |file: &ListedFile| {
            let lfs_sha256 = match file.checksum.as_ref()? {
                Checksum::Sha256(hex) => Some(hex.clone()),
                Checksum::Git(_) => None,
            };
            // Without a blob's id only where the listing was silent and the file's own headers
            // were asked: the checksum stands for it, as nobody reads a pointer's id.
            let blob_id = file.blob.clone();
            let recorded = RecordedFile {
                size: file.size?,
                blob_id: blob_id.or_else(|| Some(file.checksum.as_ref()?.as_str().to_owned()))?,
                lfs_size: lfs_sha256.as_ref().and(file.size),
                lfs_sha256,
            };
            Some((file.path.clone(), recorded))
        };
        Some(Self {
            format_version: RECORD_VERSION,
            files: listing.files.iter().map(recorded).collect::<Option<_>>()?,
        })
    }

    /// The listing again; none where this is a record of another form, or a hostile one.
    pub(crate) fn listing(self, commit: &str) -> Option<Listing> {
        let listed = |(path, file): (String, RecordedFile)| {
            let lfs = file.lfs_sha256.as_deref().map(Checksum::new);
            let listed = ListedFile {
                checksum: Some(lfs.unwrap_or_else(|| Checksum::new(&file.blob_id))?),
                size: Some(file.lfs_size.unwrap_or(file.size)),
                blob: Some(file.blob_id),
                path,
            };
            stays_inside(&listed.path).then_some(listed)
        };
        (self.format_version == RECORD_VERSION).then_some(())?;
        Some(Listing {
            commit: commit.to_owned(),
            files: self.files.into_iter().map(listed).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn read(siblings: &str) -> Result<Listing, BadListing> {
        let text = format!("{{\"id\": \"a/b\", \"sha\": \"{COMMIT}\", \"siblings\": {siblings}}}");
        Listing::read(text.as_bytes(), &Mask::default())
    }

    #[test]
    fn a_listing_tells_sizes_and_checksums_where_the_server_does() {
        let sha = "a".repeat(64);
        let listing = read(&format!(
            "[{{\"rfilename\": \"model.safetensors\", \"size\": 9, \"blobId\": \"{COMMIT}\",
               \"lfs\": {{\"sha256\": \"{sha}\", \"size\": 9, \"pointerSize\": 134}}}},
              {{\"rfilename\": \"config.json\", \"size\": 2, \"blobId\": \"{COMMIT}\"}},
              {{\"rfilename\": \"a/b.txt\"}}]"
        ))
        .unwrap();
        let told: Vec<(&str, Option<u64>, Option<&str>)> = listing
            .files
            .iter()
            .map(|file| {
                let sum = file.checksum.as_ref().map(Checksum::as_str);
                (file.path.as_str(), file.size, sum)
            })
            .collect();
        assert_eq!(
            told,
            [
                ("a/b.txt", None, None),
                ("config.json", Some(2), Some(COMMIT)),
                ("model.safetensors", Some(9), Some(sha.as_str())),
            ]
        );
        assert!(Record::of(&listing).is_none());
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let sha = "b".repeat(64);
        let listing = read(&format!(
            "[{{\"rfilename\": \"m.bin\", \"size\": 9, \"blobId\": \"{COMMIT}\",
               \"lfs\": {{\"sha256\": \"{sha}\", \"size\": 9, \"pointerSize\": 134}}}},
              {{\"rfilename\": \"c.json\", \"size\": 2, \"blobId\": \"{COMMIT}\"}}]"
        ))
        .unwrap();
        let text = serde_json::to_string(&Record::of(&listing).unwrap()).unwrap();
        let record: Record = serde_json::from_str(&text).unwrap();
        assert_eq!(record.listing(COMMIT), Some(listing));
        let hostile = text.replace("c.json", "../c.json");
        let record: Record = serde_json::from_str(&hostile).unwrap();
        assert_eq!(record.listing(COMMIT), None);
    }

    #[test]
    fn no_file_leads_out_of_its_folder() {
        for path in [
            "../x",
            "a/../../x",
            "/etc/passwd",
            "a//b",
            "./a",
            "",
            "C:\\\\x",
            "C:/x",
            "a\\\\..\\\\b",
            "a\\u0000b",
            "a\\u001b[2J",
            "..",
        ] {
            let listed = read(&format!("[{{\"rfilename\": \"{path}\"}}]"));
            assert!(matches!(listed, Err(BadListing::Path(_))), "{path:?}");
        }
        for path in ["a", ".gitattributes", "a/b/c.json", "..a", "a..b/c", "ä b"] {
            assert!(
                read(&format!("[{{\"rfilename\": \"{path}\"}}]")).is_ok(),
                "{path:?}"
            );
        }
    }

    #[test]
    fn what_is_no_listing_is_told() {
        for text in [
            "",
            "<html>",
            "[]",
            "{}",
            "{\"sha\": \"main\"}",
            "{\"sha\": 3}",
        ] {
            let listed = Listing::read(text.as_bytes(), &Mask::default());
            assert!(matches!(listed, Err(BadListing::Form(_))), "{text}");
        }
    }
}
