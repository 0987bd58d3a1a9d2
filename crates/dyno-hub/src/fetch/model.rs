//! One model: its listing, what of it is missing, and its files side by side.

use crate::cache::blobs::{Found, Trust};
use crate::cache::look::seen;
use crate::cache::{Repository, failed};
use crate::checksum::Checksum;
use crate::error::FetchError;
use crate::fetch::asking::patiently;
use crate::fetch::file::{Wanted, fetch_file};
use crate::fetch::refusal::Asked;
use crate::fetch::space::Reserved;
use crate::fetch::{Shared, Snapshot, beside};
use crate::listing::{BadListing, ListedFile, Listing};
use crate::pace::Patience;
use crate::progress::Step;
use crate::wanted::is_wanted;
use dyno_model::ModelRequest;
use reqwest::{Method, Url};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long a rate limit is waited for where the model is in the cache.
const RATE_LIMIT_OF_CACHED: Duration = Duration::from_secs(10);

/// Brings one model to the cache.
pub(super) async fn fetch_model(
    shared: Arc<Shared>,
    request: ModelRequest,
) -> Result<Snapshot, FetchError> {
    let repository = shared.repository(&request.name);
    let (place, wanted) = (shared.place.clone(), request.clone());
    let there = beside(move || seen(&wanted, &place).ok()).await;
    if let Some(snapshot) = &there
        && request.revision.is_commit()
        && repository.record(&snapshot.commit).exists()
    {
        // A commit never moves: there is nothing to ask.
        repository.mark_used(&snapshot.commit);
        return Ok(snapshot.clone());
    }
    let mut patience = shared.patience;
    if there.is_some() {
        // Only whether the branch has moved is to be told: a Hub that cannot be reached is not
        // worth a minute.
        patience.attempts = patience.attempts.min(2);
        patience.rate_limit = patience.rate_limit.min(RATE_LIMIT_OF_CACHED);
    }
    let mut result = fetch_once(&shared, &request, patience).await;
    if matches!(result, Err(FetchError::NoRevision { .. })) && !request.revision.is_commit() {
        // The branch may have moved while its files were fetched, and its commit be gone.
        result = fetch_once(&shared, &request, patience).await;
    }
    match (result, there) {
        (Err(error), Some(snapshot)) if error.leaves_the_cache() => {
            repository.mark_used(&snapshot.commit);
            Ok(Snapshot {
                note: Some(format!("{error}; what the cache has of it is used")),
                ..snapshot
            })
        }
        (result, _) => result,
    }
}

async fn fetch_once(
    shared: &Arc<Shared>,
    request: &ModelRequest,
    patience: Patience,
) -> Result<Snapshot, FetchError> {
    let mut listing = list(shared, request, patience).await?;
    for file in &mut listing.files {
        if is_wanted(&file.path, request.files) && (file.size.is_none() || file.checksum.is_none())
        {
            ask_about(shared, request, &listing.commit, file).await?;
        }
    }
    let repository = shared.repository(&request.name);
    let kept = listing.clone();
    let files = request.files;
    let repository = beside(move || {
        repository.make()?;
        repository.keep_listing(&kept, files)?;
        Ok(repository)
    })
    .await?;
    // Until there are links to all blobs, nobody is to take them for garbage.
    let _used = repository.use_beside().await?;
    let plan = plan(repository.clone(), &listing, request).await?;
    shared.say(
        request,
        Step::Planned {
            files: plan.there.len() + plan.missing.len(),
            bytes: plan.bytes,
            missing: plan.to_come(),
        },
    );
    let _reserved = Reserved::new(shared, &repository, request, plan.to_come())?;
    let fetched = fetch_missing(shared, request, &listing.commit, &plan).await?;
    let count = plan.there.len() + plan.missing.len();
    let bytes = plan.bytes;
    let (commit, revision) = (listing.commit, request.revision.clone());
    let folder = repository.snapshot(&commit);
    let commit = beside(move || {
        std::fs::create_dir_all(repository.snapshot(&commit))
            .map_err(failed("write", &repository.snapshot(&commit)))?;
        for wanted in plan.there.iter().chain(&plan.missing) {
            repository.link(&commit, &wanted.path, &wanted.checksum)?;
        }
        // Last: who reads the revision finds all of it.
        repository.refer(&revision, &commit)?;
        repository.mark_used(&commit);
        Ok(commit)
    })
    .await?;
    Ok(Snapshot {
        commit,
        folder,
        files: count,
        bytes,
        fetched,
        note: None,
    })
}

/// Asks the Hub which commit the revision is, and what is in it.
pub(super) async fn list(
    shared: &Shared,
    request: &ModelRequest,
    patience: Patience,
) -> Result<Listing, FetchError> {
    let client = &shared.client;
    let mut parts = vec!["api", "models"];
    parts.extend(request.name.as_str().split('/'));
    parts.extend(["revision", request.revision.as_str()]);
    let mut url = client.address(&parts);
    url.set_query(Some("blobs=true"));
    let asked = Asked::Listing;
    let told = patiently(shared, request, asked, &Method::GET, &url, patience).await?;
    Listing::read(&told.body, &client.mask).map_err(|bad| match bad {
        BadListing::Form(answer) => FetchError::Unexpected {
            host: client.hub.clone(),
            what: format!("the listing of {request}"),
            answer: answer.to_owned(),
        },
        BadListing::Path(file) => FetchError::UnsafeFile {
            hub: client.hub.clone(),
            name: request.name.clone(),
            file,
        },
    })
}

/// Asks about a file whose size or checksum the listing does not tell.
async fn ask_about(
    shared: &Shared,
    request: &ModelRequest,
    commit: &str,
    file: &mut ListedFile,
) -> Result<(), FetchError> {
    let url = file_address(shared, request, commit, &file.path);
    let asked = Asked::File(&file.path);
    let told = patiently(shared, request, asked, &Method::HEAD, &url, shared.patience).await?;
    let no_checksum = || FetchError::NoChecksum {
        hub: shared.client.hub.clone(),
        name: request.name.clone(),
        file: file.path.clone(),
    };
    let checksum = told.etag.as_deref().and_then(Checksum::of_etag);
    file.checksum = Some(checksum.ok_or_else(no_checksum)?);
    file.size = Some(told.size.ok_or_else(no_checksum)?);
    Ok(())
}

/// `/org/name/resolve/COMMIT/PATH`.
pub(super) fn file_address(
    shared: &Shared,
    request: &ModelRequest,
    commit: &str,
    path: &str,
) -> Url {
    let mut parts: Vec<&str> = request.name.as_str().split('/').collect();
    parts.extend(["resolve", commit]);
    parts.extend(path.split('/'));
    shared.client.address(&parts)
}

/// What of a listing is wanted.
struct Plan {
    there: Vec<Wanted>,
    missing: Vec<Wanted>,
    bytes: u64,
}

impl Plan {
    fn to_come(&self) -> u64 {
        self.missing.iter().map(Wanted::to_come).sum()
    }
}

/// Looks which of the wanted files are in the cache, and how much of the others.
async fn plan(
    repository: Repository,
    listing: &Listing,
    request: &ModelRequest,
) -> Result<Plan, FetchError> {
    let listed: Vec<Wanted> = listing
        .files
        .iter()
        .filter(|file| is_wanted(&file.path, request.files))
        .filter_map(|file| {
            Some(Wanted {
                path: file.path.clone(),
                size: file.size?,
                checksum: file.checksum.clone()?,
                half: 0,
            })
        })
        .collect();
    beside(move || {
        let bytes = listed.iter().map(|wanted| wanted.size).sum();
        let (mut there, mut missing) = (Vec::new(), Vec::<Wanted>::new());
        for mut wanted in listed {
            let blob = repository.blob(&wanted.checksum);
            let found =
                repository.look_at(&blob, &wanted.checksum, Some(wanted.size), Trust::Checked);
            let same = |other: &Wanted| other.checksum == wanted.checksum;
            if found.map_err(failed("read", &blob))? == Found::Right(wanted.size)
                || missing.iter().any(same)
            {
                // Two files of the same bytes are one blob.
                there.push(wanted);
            } else {
                let half = std::fs::symlink_metadata(repository.half(&wanted.checksum));
                wanted.half = half.map_or(0, |half| half.len()).min(wanted.size);
                missing.push(wanted);
            }
        }
        // The longest first: what begins last should not end last.
        missing.sort_by_key(|wanted| std::cmp::Reverse(wanted.to_come()));
        Ok(Plan {
            there,
            missing,
            bytes,
        })
    })
    .await
}

/// Fetches what is missing, side by side; the first that fails ends the others.
async fn fetch_missing(
    shared: &Arc<Shared>,
    request: &ModelRequest,
    commit: &str,
    plan: &Plan,
) -> Result<u64, FetchError> {
    let mut files = JoinSet::new();
    for wanted in &plan.missing {
        let (shared, request) = (Arc::clone(shared), request.clone());
        let (commit, wanted) = (commit.to_owned(), wanted.clone());
        files.spawn(async move {
            // Closed never; where it were, the file is fetched without its turn.
            let _turn = shared.files.acquire().await;
            fetch_file(&shared, &request, &commit, &wanted).await
        });
    }
    let mut fetched = 0;
    while let Some(joined) = files.join_next().await {
        match joined {
            Ok(result) => fetched += result?,
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
    Ok(fetched)
}
