//! One file a command.

pub(crate) mod agent;
pub(crate) mod collect;
pub(crate) mod keeper;
pub(crate) mod markers;
pub(crate) mod models;
pub(crate) mod report;
pub(crate) mod runs;
pub(crate) mod test;

use dyno_model::ExitCode;

/// Says why a command line cannot be followed.
fn refuse(error: &dyn std::fmt::Display) -> std::process::ExitCode {
    eprintln!("dyno: {error}");
    code(ExitCode::UsageError)
}

fn code(code: ExitCode) -> std::process::ExitCode {
    std::process::ExitCode::from(u8::from(code))
}
