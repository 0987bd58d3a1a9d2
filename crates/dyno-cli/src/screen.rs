//! The terminal that a report is printed to.

use dyno_report::{Messages, Style};
use dyno_runner::Streams;
use std::ffi::OsString;
use std::io::{IsTerminal, Write, stderr, stdout};

/// The width where none can be told, as pytest assumes it.
const DEFAULT_WIDTH: usize = 80;

/// Whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Color {
    /// Where the terminal shows them.
    Auto,
    Yes,
    No,
}

impl Color {
    /// Reads pytest's `--color` among its arguments.
    pub(crate) fn from_args(args: &[OsString]) -> Self {
        let mut color = Self::Auto;
        let mut args = args.iter().map(|arg| arg.to_string_lossy());
        while let Some(arg) = args.next() {
            let value = match arg.strip_prefix("--color") {
                Some("") => args.next(),
                Some(value) => value.strip_prefix('=').map(|v| v.to_owned().into()),
                None => None,
            };
            match value.as_deref() {
                Some("yes") => color = Self::Yes,
                Some("no") => color = Self::No,
                Some("auto") => color = Self::Auto,
                _ => {}
            }
        }
        color
    }

    /// pytest's rule (`should_do_markup`).
    fn resolve(self) -> bool {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        match self {
            Self::Yes => true,
            Self::No => false,
            Self::Auto => match std::env::var("PY_COLORS").as_deref() {
                Ok("1") => true,
                Ok("0") => false,
                _ if set("NO_COLOR").is_some() => false,
                _ if set("FORCE_COLOR").is_some() => true,
                _ => stdout().is_terminal() && std::env::var("TERM").as_deref() != Ok("dumb"),
            },
        }
    }
}

/// How a report is to look on standard output.
pub(crate) fn style(color: Color) -> Style {
    // pytest's rule: a log that is searched later keeps whole messages.
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    Style {
        messages: if is_set("CI") || is_set("BUILD_NUMBER") {
            Messages::Whole
        } else {
            Messages::Trimmed
        },
        ..Style::new(width(), color.resolve())
    }
}

/// How a run is to look while it goes on.
pub(crate) fn live_style(color: Color) -> Style {
    let can_erase = std::env::var("TERM").as_deref() != Ok("dumb");
    Style {
        live: stdout().is_terminal() && can_erase,
        ..style(color)
    }
}

fn width() -> usize {
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    let window = || {
        let size = rustix::termios::tcgetwinsize(stdout()).ok()?;
        Some(usize::from(size.ws_col))
    };
    columns
        .or_else(window)
        .filter(|width| *width > 0)
        .unwrap_or(DEFAULT_WIDTH)
}

/// Whether standard output and error are one file, such as one terminal.
pub(crate) fn streams() -> Streams {
    let file = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
    let output = rustix::fs::fstat(stdout()).map(file);
    if output.is_ok() && output == rustix::fs::fstat(stderr()).map(file) {
        Streams::One
    } else {
        Streams::Two
    }
}

/// Prints what tests wrote to standard error. Nobody may read it.
pub(crate) fn print_error(text: &str) {
    let _ = stderr().lock().write_all(text.as_bytes());
}

/// Prints to standard output until nobody reads it any more.
///
/// A reader that has gone (`| head`) costs the text and nothing else: the run goes on
/// and its exit code is its own.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    gone: bool,
}

impl Screen {
    pub(crate) fn print(&mut self, text: &str) {
        if self.gone || text.is_empty() {
            return;
        }
        let mut stdout = stdout().lock();
        self.gone = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_color_counts() {
        let of =
            |line: &str| Color::from_args(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of("-v tests"), Color::Auto);
        assert_eq!(of("--color=no --color yes"), Color::Yes);
        assert_eq!(of("--color yes --color=no"), Color::No);
    }
}
