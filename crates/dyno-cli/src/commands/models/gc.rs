//! `dyno models gc`: space, without what nobody needs.

use super::{CacheArgs, counted, tell};
use crate::commands::code;
use crate::screen::Screen;
use dyno_hub::{GarbageKind, collect_garbage};
use dyno_model::{Bytes, ExitCode};
use jiff::{Span, SpanRelativeTo};
use std::time::{Duration, SystemTime};

/// The options of `dyno models gc`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What a process has open, and what is being fetched, stays. Exit codes: 0 done, 1 something\n\
cannot be removed, 4 usage error.")]
pub(crate) struct Args {
    /// Remove whole commits, too, that nobody has used for so long, such as 30d or 12h.
    #[arg(long, value_name = "TIME", value_parser = time)]
    unused_for: Option<Duration>,
    /// Only say what would be removed.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    cache: CacheArgs,
}

fn time(text: &str) -> Result<Duration, String> {
    let span: Span = text
        .parse()
        .map_err(|_| "a length of time is such as 30d, 2w or 12h".to_owned())?;
    let length = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "months and years differ in length; say it in days".to_owned())?;
    Duration::try_from(length).map_err(|_| "a length of time is not below 0".to_owned())
}

pub(crate) fn run(args: &Args) -> std::process::ExitCode {
    let cache = args.cache.place().cache;
    let collected = collect_garbage(&cache, args.unused_for, args.dry_run, SystemTime::now());
    let collected = match collected {
        Ok(collected) => collected,
        Err(error) => {
            tell(&error);
            return code(ExitCode::TestsFailed);
        }
    };
    let mut screen = Screen::default();
    for garbage in &collected.garbage {
        let what = match garbage.kind {
            GarbageKind::HalfWritten => "half-written",
            GarbageKind::Unnamed => "named by no commit",
            GarbageKind::Unused => "a commit that nobody used",
            GarbageKind::Leftover => "left by a process that was killed",
        };
        let (name, path) = (&garbage.name, garbage.path.display());
        screen.print(&match garbage.bytes {
            Bytes(0) => format!("{name}: {path}: {what}\n"),
            bytes => format!("{name}: {path}: {what}, {bytes}\n"),
        });
    }
    for (name, why) in &collected.in_use {
        anstream::eprintln!("dyno: {name} is left: {why}");
    }
    let bytes = collected
        .garbage
        .iter()
        .map(|garbage| garbage.bytes.0)
        .sum();
    let done = if args.dry_run {
        "would be freed"
    } else {
        "freed"
    };
    let things = counted(collected.garbage.len(), "thing");
    screen.print(&format!("{things}, {} {done}\n", Bytes(bytes)));
    code(ExitCode::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_units() {
        let day = 24 * 3600;
        for (text, seconds) in [
            ("30d", Some(30 * day)),
            ("2w", Some(14 * day)),
            ("12h", Some(day / 2)),
            ("1d 12h", Some(day + day / 2)),
            ("0s", Some(0)),
            ("1mo", None),
            ("-3d", None),
            ("30", None),
            ("soon", None),
        ] {
            let read = time(text).ok().map(|length| length.as_secs());
            assert_eq!(read, seconds, "{text}");
        }
    }
}
