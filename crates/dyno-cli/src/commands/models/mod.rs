//! `dyno models`: the models of the Hub in the cache, and small ones made on the spot.

mod gc;
mod list;
mod meter;
pub(crate) mod named;
mod prefetch;
mod tiny;
mod verify;

use dyno_hub::{FetchError, Place};
use dyno_model::shell_word;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    model: Models,
}

#[derive(Debug, clap::Subcommand)]
enum Models {
    /// Fetch models into the cache: those that are named, or those that tests name.
    ///
    /// A model that is there whole costs one request. What was interrupted is continued, every
    /// file is checked against the checksum that the Hub announces, and a file that another
    /// process fetches is waited for.
    Prefetch(prefetch::Args),
    /// List the models of the cache.
    List(list::Args),
    /// Sum up every file of the cache, and follow every link.
    Verify(verify::Args),
    /// Remove what nobody needs: half-written files, files that no commit names, and old commits.
    Gc(gc::Args),
    /// Write a two-layer Llama with random weights: no network, no token, two megabytes.
    ///
    /// The same seed gives the same bytes on every machine. A directory that already
    /// holds this very model is left as it is.
    Tiny(tiny::Args),
}

const CACHE_HELP: &str = "The cache: the folder of models--org--name [default: HF_HUB_CACHE, else \
                          hub in HF_HOME, else ~/.cache/huggingface/hub]";

/// Where the cache is.
#[derive(Debug, clap::Args)]
struct CacheArgs {
    #[arg(long, value_name = "DIR", help = CACHE_HELP)]
    models_dir: Option<PathBuf>,
}

impl CacheArgs {
    /// The option again, for a command that is to be pasted.
    fn option(&self) -> String {
        let folder = self
            .models_dir
            .as_deref()
            .map(|folder| folder.to_string_lossy());
        folder.map_or_else(String::new, |folder| {
            format!(" --models-dir {}", shell_word(&folder))
        })
    }

    /// The place that the environment names, with the cache that was asked for.
    fn place(&self) -> Place {
        let mut place = Place::of(|name| std::env::var_os(name));
        if let Some(folder) = &self.models_dir {
            folder.clone_into(&mut place.cache);
        }
        place
    }
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.model {
        Models::Prefetch(args) => prefetch::run(&args),
        Models::List(args) => list::run(&args),
        Models::Verify(args) => Ok(verify::run(&args)),
        Models::Gc(args) => Ok(gc::run(&args)),
        Models::Tiny(args) => tiny::run(&args),
    }
}

/// Says why something cannot be had, and what to do.
fn tell(error: &FetchError) {
    anstream::eprintln!("dyno: {error}\nhint: {}", error.hint());
}

/// `1 file`, `2 files`.
fn counted(count: usize, one: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {one}{s}")
}
