//! One file a command.

pub(crate) mod agent;
pub(crate) mod collect;
pub(crate) mod container;
pub(crate) mod doctor;
pub(crate) mod keeper;
pub(crate) mod markers;
pub(crate) mod models;
pub(crate) mod report;
pub(crate) mod runs;
pub(crate) mod sandbox;
pub(crate) mod test;

use clap::Parser;
use dyno_model::ExitCode;
use std::ffi::OsString;

/// Says why a command line cannot be followed.
fn refuse(error: &dyn std::fmt::Display) -> std::process::ExitCode {
    eprintln!("dyno: {error}");
    code(ExitCode::UsageError)
}

fn code(code: ExitCode) -> std::process::ExitCode {
    std::process::ExitCode::from(u8::from(code))
}

/// A command's own options, apart from pytest's; none, and told why, where they are wrong.
fn own_options<C: Parser>(args: &[OsString]) -> anyhow::Result<Option<C>> {
    let name = OsString::from(C::command().get_name());
    match C::try_parse_from(std::iter::once(name).chain(args.iter().cloned())) {
        Ok(command) => Ok(Some(command)),
        Err(error) => {
            error.print()?;
            Ok(None)
        }
    }
}
