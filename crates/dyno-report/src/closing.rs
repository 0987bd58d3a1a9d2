//! The last lines: why a run stopped, and its counts.

use crate::canvas::{Canvas, Ink};
use crate::stats::{KNOWN, Over, Stats, category_ink};
use dyno_model::{Category, ExitCode, ProcessExit, Stop};
use std::time::Duration;

/// `!!! stopping after 1 failures !!!`
pub(crate) fn stopped(why: &Stop, failure: Option<&str>, canvas: &mut Canvas) {
    match why {
        Stop::MaxFail { failures } => {
            canvas.sep(
                '!',
                &format!("stopping after {failures} failures"),
                &[Ink::Red],
            );
        }
        Stop::Asked { reason } => {
            // pytest's own names for the two ways to ask.
            let named = reason == "KeyboardInterrupt"
                || reason.starts_with("Interrupted: ")
                || reason.contains("outcomes.Exit: ");
            let prefix = if named { "" } else { "Interrupted: " };
            canvas.sep('!', &format!("{prefix}{reason}"), &[]);
        }
        Stop::Signal { number: 2 } => canvas.sep('!', "KeyboardInterrupt", &[]),
        Stop::Signal { number } => {
            let name = ProcessExit::Signal(*number);
            canvas.sep('!', &format!("Interrupted: {name}"), &[]);
        }
        Stop::Deadline { limit, running } => {
            let limit = seconds(*limit);
            canvas.sep(
                '!',
                &format!("the deadline of {limit} is over"),
                &[Ink::Red],
            );
            for test in running {
                canvas.line(&format!("{test} was running"), &[]);
            }
        }
        Stop::Broken => {
            let what = failure.and_then(|text| text.lines().next());
            canvas.sep('!', what.unwrap_or("the run broke off"), &[Ink::Red]);
        }
    }
}

/// `== 1 failed, 2 passed in 3.21s ==`
pub(crate) fn counts(
    stats: &Stats,
    over: Over,
    verbosity: i32,
    elapsed: Duration,
    canvas: &mut Canvas,
) {
    if verbosity < -1 {
        return;
    }
    let main = stats.main_color(over);
    let mut texts: Vec<(String, Vec<Ink>)> = Vec::new();
    for (category, count) in in_order(stats) {
        let ink = category_ink(category);
        let mut inks = vec![ink];
        if ink == main {
            inks.push(Ink::Bold);
        }
        texts.push((format!("{count} {}", plural(category, count)), inks));
    }
    if texts.is_empty() {
        texts.push(("no tests ran".to_owned(), vec![Ink::Yellow]));
    }
    let duration = format!(" in {}", seconds(elapsed));
    let painted: Vec<String> = texts
        .iter()
        .map(|(text, inks)| canvas.paint(text, inks))
        .collect();
    let mut message = painted.join(", ");
    message.push_str(&canvas.paint(&duration, &[main]));
    if verbosity < 0 {
        canvas.own_line(&message, &[main]);
        return;
    }
    // The marks behind the message take the main colour up again.
    message.push_str(canvas.paint("", &[main]).trim_end_matches("\x1b[0m"));
    let seen: Vec<&str> = texts.iter().map(|(text, _)| text.as_str()).collect();
    let seen = seen.join(", ").chars().count() + duration.chars().count();
    let width = canvas.style.width + message.chars().count() - seen;
    canvas.sep_of_width('=', &message, width, &[main]);
}

/// Categories that were counted, pytest's own first.
fn in_order(stats: &Stats) -> Vec<(&str, u64)> {
    let tally = stats.tally();
    let known = KNOWN
        .iter()
        .map(|&word| (word, tally.get(&Category::from(word.to_owned()))));
    let others = tally
        .iter()
        .map(|(category, count)| (category.as_str(), count))
        .filter(|(word, _)| !KNOWN.contains(word));
    known
        .chain(others)
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn plural(category: &str, count: u64) -> &str {
    match (category, count) {
        ("warnings", 1) => "warning",
        ("error", count) if count != 1 => "errors",
        (category, _) => category,
    }
}

/// `3.21s`, from a minute on `65.20s (0:01:05)`, from a day on `(1 day, 0:00:05)`.
pub(crate) fn seconds(elapsed: Duration) -> String {
    let text = format!("{:.2}s", elapsed.as_secs_f64());
    let whole = elapsed.as_secs();
    if whole < 60 {
        return text;
    }
    let (days, rest) = (whole / 86_400, whole % 86_400);
    let days = match days {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        days => format!("{days} days, "),
    };
    let (hours, minutes) = (rest / 3600, rest % 3600 / 60);
    format!("{text} ({days}{hours}:{minutes:02}:{:02})", rest % 60)
}

/// pytest shows no sections where a plugin chose the exit code. After an internal error
/// it shows none either; dyno does, because the failures that were seen are still true.
pub(crate) fn shows_summary(exit: ExitCode) -> bool {
    /// `ExitCode.MAX_WARNINGS_ERROR` of pytest 9.2.
    const TOO_MANY_WARNINGS: u8 = 6;
    match exit {
        ExitCode::Ok
        | ExitCode::TestsFailed
        | ExitCode::Interrupted
        | ExitCode::InternalError
        | ExitCode::UsageError
        | ExitCode::NoTestsCollected => true,
        ExitCode::Other(code) => code == TOO_MANY_WARNINGS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_pytest_writes_them() {
        // With what `format_session_duration` of pytest 9.2 gave.
        for (millis, text) in [
            (0, "0.00s"),
            (3_214, "3.21s"),
            (59_994, "59.99s"),
            (60_000, "60.00s (0:01:00)"),
            (65_204, "65.20s (0:01:05)"),
            (3_725_000, "3725.00s (1:02:05)"),
            (86_405_000, "86405.00s (1 day, 0:00:05)"),
            (180_000_000, "180000.00s (2 days, 2:00:00)"),
        ] {
            assert_eq!(seconds(Duration::from_millis(millis)), text);
        }
    }
}
