//! `dyno models list`: what the cache holds.

use super::{CacheArgs, tell};
use crate::commands::code;
use crate::screen::Screen;
use dyno_hub::{CachedModel, CachedRevision, Extent, inventory};
use dyno_model::{Bytes, ExitCode, ModelFiles};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// The options of `dyno models list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 listed, 1 the cache cannot be read.\n\
`whole` means that all files are there, of their size; `dyno models verify` sums them up.")]
pub(crate) struct Args {
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cache: CacheArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<std::process::ExitCode> {
    let cache = args.cache.place().cache;
    let models = match inventory(&cache) {
        Ok(models) => models,
        Err(error) => {
            tell(&error);
            return Ok(code(ExitCode::TestsFailed));
        }
    };
    let mut screen = Screen::default();
    if args.json {
        let document = document(&cache, &models);
        screen.print(&format!("{}\n", serde_json::to_string_pretty(&document)?));
    } else if models.is_empty() {
        anstream::eprintln!("dyno: no model is in {}", cache.display());
    } else {
        screen.print(&table(&models));
    }
    Ok(code(ExitCode::Ok))
}

fn document(cache: &Path, models: &[CachedModel]) -> Value {
    let time = |time: Option<std::time::SystemTime>| {
        time.and_then(|time| Timestamp::try_from(time).ok())
            .map(|time| time.to_string())
    };
    let revision = |revision: &CachedRevision| {
        json!({
            "commit": revision.commit,
            "refs": revision.refs,
            "files": revision.files,
            "bytes": revision.bytes,
            "used": time(revision.used),
            "state": state(revision),
            "missing": match revision.extent {
                Extent::Part { missing } => Some(missing),
                Extent::Whole(_) | Extent::Unknown => None,
            },
        })
    };
    let model = |model: &CachedModel| {
        json!({
            "name": model.name,
            "folder": model.folder,
            "bytes": model.bytes,
            "half_written": model.half_written,
            "used": time(model.used),
            "revisions": model.revisions.iter().map(revision).collect::<Vec<_>>(),
        })
    };
    let models: Vec<Value> = models.iter().map(model).collect();
    json!({ "version": 1, "cache": cache, "models": models })
}

fn state(revision: &CachedRevision) -> &'static str {
    match revision.extent {
        Extent::Whole(ModelFiles::All) => "whole",
        Extent::Whole(ModelFiles::Weightless) => "weightless",
        Extent::Whole(ModelFiles::Tokenizer) => "tokenizer",
        Extent::Part { .. } => "part",
        Extent::Unknown => "unknown",
    }
}

fn table(models: &[CachedModel]) -> String {
    let mut rows =
        vec![["MODEL", "REVISION", "SIZE", "FILES", "LAST USED", "STATE"].map(str::to_owned)];
    for model in models {
        for revision in &model.revisions {
            let short = revision.commit.get(..12).unwrap_or(&revision.commit);
            let mut names = revision.refs.clone();
            names.push(short.to_owned());
            let state = match revision.extent {
                Extent::Part { missing } => format!("part, {missing} files missing"),
                Extent::Unknown => "unknown, has no listing".to_owned(),
                Extent::Whole(_) => state(revision).to_owned(),
            };
            rows.push([
                model.name.to_string(),
                names.join(" "),
                Bytes(revision.bytes).to_string(),
                revision.files.to_string(),
                day(revision.used),
                state,
            ]);
        }
        if model.revisions.is_empty() || model.half_written > 0 {
            let half = Bytes(model.half_written);
            let nothing = String::new;
            rows.push([
                model.name.to_string(),
                nothing(),
                half.to_string(),
                nothing(),
                nothing(),
                if model.half_written > 0 {
                    "half-written".to_owned()
                } else {
                    "empty".to_owned()
                },
            ]);
        }
    }
    columns(&rows)
}

fn day(time: Option<std::time::SystemTime>) -> String {
    let time = time.and_then(|time| Timestamp::try_from(time).ok());
    time.map_or_else(String::new, |time| {
        time.to_zoned(TimeZone::system()).date().to_string()
    })
}

fn columns(rows: &[[String; 6]]) -> String {
    let mut widths = [0; 6];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
