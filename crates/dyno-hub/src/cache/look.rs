//! What a cache has of a model, told without the Hub.

use crate::cache::blobs::{Found, Trust};
use crate::cache::{Repository, in_words};
use crate::checksum::Checksum;
use crate::error::FetchError;
use crate::listing::{Listing, Record, is_commit};
use crate::wanted::is_wanted;
use crate::{Place, Snapshot};
use dyno_model::{ModelFiles, ModelRequest};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// More names than these are counted, not told.
const MOST_NAMED: usize = 3;

/// What the cache has of a model; the Hub is not asked. Files whose bytes dyno has not summed up
/// yet are summed up now.
///
/// Where the cache has no listing of the commit, because an older tool or a person wrote it,
/// only what is there can be judged: all its bytes are right, and no part is missing that an
/// index names.
pub fn cached(request: &ModelRequest, place: &Place) -> Result<Snapshot, FetchError> {
    let snapshot = seen(request, place)?;
    Repository::of(&place.cache, &request.name).mark_used(&snapshot.commit);
    Ok(snapshot)
}

/// As [`cached`], for somebody who may not use it.
pub(crate) fn seen(request: &ModelRequest, place: &Place) -> Result<Snapshot, FetchError> {
    let repository = Repository::of(&place.cache, &request.name);
    look(&repository, request).map_err(|why| FetchError::NotCached {
        request: request.clone(),
        cache: place.cache.clone(),
        why,
        offline: place.offline,
    })
}

/// What the cache is known to have whole: by a listing of its commit, not by what happens to be
/// there. The Hub is not asked.
pub fn known_whole(request: &ModelRequest, place: &Place) -> Option<Snapshot> {
    let snapshot = cached(request, place).ok()?;
    let repository = Repository::of(&place.cache, &request.name);
    listing_of(&repository, &snapshot.commit).map(|_| snapshot)
}

fn look(repository: &Repository, request: &ModelRequest) -> Result<Snapshot, String> {
    if !repository.folder().exists() {
        return Err("nothing of this model is there".to_owned());
    }
    let commit = commit_of(repository, request)?;
    let folder = repository.snapshot(&commit);
    if !folder.is_dir() {
        return Err(format!("it has no files of the commit {commit}"));
    }
    let (files, bytes) = match listing_of(repository, &commit) {
        Some(listing) => look_by_listing(repository, &listing, request.files)?,
        None => look_without_listing(repository, &folder, request.files)?,
    };
    Ok(Snapshot {
        commit,
        folder,
        files,
        bytes,
        fetched: 0,
        note: None,
    })
}

/// The commit that a revision is, by what the cache knows.
fn commit_of(repository: &Repository, request: &ModelRequest) -> Result<String, String> {
    if request.revision.is_commit() {
        return Ok(request.revision.as_str().to_owned());
    }
    let kept = std::fs::read_to_string(repository.reference(&request.revision));
    let revision = request.revision.as_str();
    let kept = kept.map_err(|_| format!("its revision {revision:?} is not known there"))?;
    let kept = kept.trim();
    is_commit(kept)
        .then(|| kept.to_owned())
        .ok_or_else(|| format!("what it has of the revision {revision:?} names no commit"))
}

/// The listing of a commit that the cache holds: dyno's own, or `huggingface_hub`'s.
pub(crate) fn listing_of(repository: &Repository, commit: &str) -> Option<Listing> {
    [repository.record(commit), repository.tree(commit)]
        .into_iter()
        .find_map(|path| {
            let text = std::fs::read(path).ok()?;
            serde_json::from_slice::<Record>(&text)
                .ok()?
                .listing(commit)
        })
}

fn look_by_listing(
    repository: &Repository,
    listing: &Listing,
    wanted: ModelFiles,
) -> Result<(usize, u64), String> {
    let snapshot = repository.snapshot(&listing.commit);
    let (mut count, mut bytes) = (0, 0);
    let (mut missing, mut wrong) = (Vec::new(), Vec::new());
    for file in &listing.files {
        let Some(checksum) = file
            .checksum
            .as_ref()
            .filter(|_| is_wanted(&file.path, wanted))
        else {
            continue;
        };
        let path = snapshot.join(&file.path);
        match repository.look_at(&path, checksum, file.size, Trust::Checked) {
            Ok(Found::Right(size)) => {
                count += 1;
                bytes += size;
            }
            Ok(Found::Nothing) => missing.push(file.path.as_str()),
            Ok(Found::Wrong) => wrong.push(file.path.as_str()),
            Err(error) => return Err(format!("cannot read {}: {}", file.path, in_words(&error))),
        }
    }
    if !wrong.is_empty() {
        return Err(format!("{} damaged", are(&wrong)));
    }
    if !missing.is_empty() {
        return Err(format!("{} missing", are(&missing)));
    }
    Ok((count, bytes))
}

fn look_without_listing(
    repository: &Repository,
    snapshot: &Path,
    wanted: ModelFiles,
) -> Result<(usize, u64), String> {
    let unreadable = |error: io::Error| format!("cannot read it: {}", in_words(&error));
    let entries = entries(snapshot).map_err(unreadable)?;
    let (mut count, mut bytes) = (0, 0);
    for (path, entry) in &entries {
        if !is_wanted(path, wanted) {
            continue;
        }
        let about = std::fs::metadata(entry).map_err(|_| format!("{path} is missing"))?;
        if let Some(checksum) = checksum_of_link(entry) {
            match repository.look_at(entry, &checksum, None, Trust::Checked) {
                Ok(Found::Right(_)) => {}
                Ok(_) => return Err(format!("{path} is damaged")),
                Err(error) => return Err(unreadable(error)),
            }
        }
        count += 1;
        bytes += about.len();
    }
    if count == 0 {
        return Err("none of the wanted files is there".to_owned());
    }
    let indexed = if wanted == ModelFiles::All {
        indexed_parts(snapshot)
    } else {
        Vec::new()
    };
    let missing: Vec<&str> = indexed
        .iter()
        .map(String::as_str)
        .filter(|part| !entries.contains_key(*part))
        .collect();
    if !missing.is_empty() {
        return Err(format!("{} missing", are(&missing)));
    }
    Ok((count, bytes))
}

/// The files of a snapshot, by their paths in the model.
pub(crate) fn entries(snapshot: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![snapshot.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if let Ok(path) = entry.path().strip_prefix(snapshot) {
                found.insert(path.to_string_lossy().into_owned(), entry.path());
            }
        }
    }
    Ok(found)
}

/// The checksum by which a snapshot's link names its blob.
pub(crate) fn checksum_of_link(link: &Path) -> Option<Checksum> {
    let target = std::fs::read_link(link).ok()?;
    target
        .file_name()
        .and_then(OsStr::to_str)
        .and_then(Checksum::new)
}

/// The parts that an index of weights names.
fn indexed_parts(snapshot: &Path) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let read = |name| {
        let text = std::fs::read(snapshot.join(name)).ok()?;
        serde_json::from_slice::<Index>(&text).ok()
    };
    // Where there are weights in both formats, the first is what engines read.
    let indices = [
        "model.safetensors.index.json",
        "pytorch_model.bin.index.json",
    ];
    let index = indices.into_iter().find_map(read);
    let mut parts: Vec<String> =
        index.map_or_else(Vec::new, |index| index.weight_map.into_values().collect());
    parts.sort();
    parts.dedup();
    parts
}

/// `a is`, `a and b are`, `a, b, c and 4 more are`.
pub(crate) fn are(names: &[&str]) -> String {
    let more = names.len().saturating_sub(MOST_NAMED);
    let told = names.get(..names.len() - more).unwrap_or_default();
    match (told, more) {
        ([one], 0) => format!("{one} is"),
        ([first @ .., last], 0) => format!("{} and {last} are", first.join(", ")),
        (told, more) => format!("{} and {more} more are", told.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    const HELLO: &str = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";

    fn place(folder: &Path) -> Place {
        let cache = folder.to_owned();
        Place::of(|name| (name == "HF_HUB_CACHE").then(|| cache.clone().into_os_string()))
    }

    fn request(files: ModelFiles) -> ModelRequest {
        ModelRequest {
            name: "org/name".parse().unwrap(),
            revision: "main".parse().unwrap(),
            files,
        }
    }

    fn why(place: &Place, files: ModelFiles) -> String {
        match cached(&request(files), place) {
            Err(FetchError::NotCached { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_cache_is_judged_by_its_listing_and_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let all = ModelFiles::All;
        assert!(why(&place, all).contains("nothing of this model"));
        let repository = Repository::of(folder.path(), &"org/name".parse().unwrap());
        repository.make().unwrap();
        assert!(why(&place, all).contains("\"main\" is not known"));
        let checksum = Checksum::new(HELLO).unwrap();
        repository.refer(&"main".parse().unwrap(), COMMIT).unwrap();
        assert!(why(&place, all).contains("no files of the commit"));
        let file = |path: &str| crate::listing::ListedFile {
            path: path.to_owned(),
            size: Some(5),
            checksum: Some(checksum.clone()),
            blob: Some(HELLO.to_owned()),
        };
        let listing = Listing {
            commit: COMMIT.to_owned(),
            files: vec![file("config.json"), file("a/model.safetensors")],
        };
        repository.keep_listing(&listing, all).unwrap();
        std::fs::write(repository.blob(&checksum), "hello").unwrap();
        repository.link(COMMIT, "config.json", &checksum).unwrap();
        assert_eq!(why(&place, all), "a/model.safetensors is missing");
        let weightless = cached(&request(ModelFiles::Weightless), &place).unwrap();
        assert_eq!((weightless.files, weightless.bytes), (1, 5));
        repository
            .link(COMMIT, "a/model.safetensors", &checksum)
            .unwrap();
        assert_eq!(cached(&request(all), &place).unwrap().files, 2);
        std::fs::write(repository.blob(&checksum), "jello").unwrap();
        assert!(why(&place, all).ends_with("are damaged"));
        std::fs::write(repository.reference(&"main".parse().unwrap()), "../..").unwrap();
        assert!(why(&place, all).contains("names no commit"));
    }

    #[test]
    fn a_cache_without_a_listing_is_judged_by_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let repository = Repository::of(folder.path(), &"org/name".parse().unwrap());
        let snapshot = repository.snapshot(COMMIT);
        std::fs::create_dir_all(&snapshot).unwrap();
        std::fs::create_dir_all(repository.refs()).unwrap();
        std::fs::write(repository.reference(&"main".parse().unwrap()), COMMIT).unwrap();
        assert!(why(&place, ModelFiles::All).contains("none of the wanted"));
        std::fs::write(snapshot.join("config.json"), "{}").unwrap();
        assert_eq!(cached(&request(ModelFiles::All), &place).unwrap().files, 1);
        let index = r#"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"#;
        std::fs::write(snapshot.join("model.safetensors.index.json"), index).unwrap();
        std::fs::write(snapshot.join("model-1.safetensors"), "x").unwrap();
        assert_eq!(
            why(&place, ModelFiles::All),
            "model-2.safetensors is missing"
        );
        assert!(cached(&request(ModelFiles::Weightless), &place).is_ok());
        std::os::unix::fs::symlink("../../blobs/gone", snapshot.join("b.json")).unwrap();
        assert_eq!(why(&place, ModelFiles::Weightless), "b.json is missing");
    }

    #[test]
    fn few_names_are_told_and_many_counted() {
        assert_eq!(are(&["a"]), "a is");
        assert_eq!(are(&["a", "b"]), "a and b are");
        assert_eq!(are(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more are");
    }
}
