//! Plans as text, for `--dry-run`: all that would be done, and nothing that is secret.

use crate::build::BuildPlan;
use crate::run::RunPlan;
use dyno_model::shell_word;
use std::fmt::{self, Write};
use std::path::Path;

/// Stand in a command for what has its name when it is made.
const CONTEXT: &str = "PRIVATE/context";
const PRIVATE: &str = "PRIVATE";
const RUN: &str = "dyno-RUN";

const ABOUT_PRIVATE: &str =
    "# PRIVATE is a folder in memory that only you may read, removed at the end.";

impl fmt::Display for BuildPlan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "# {CONTEXT}/Containerfile")?;
        writeln!(out, "{}", self.containerfile)?;
        writeln!(out, "# the other files of {CONTEXT}")?;
        for file in &self.files {
            writeln!(out, "{}: {} lines", file.path, file.text.lines().count())?;
        }
        let wheel = self.wheel.file_name().unwrap_or_default();
        writeln!(out, "wheels/{}", wheel.to_string_lossy())?;
        let place = if self.secrets_in_context() {
            "host/"
        } else {
            "../"
        };
        for (name, secret) in &self.secrets {
            writeln!(out, "{place}{name}: {secret:?}, in no layer of the image")?;
        }
        writeln!(out, "\n{ABOUT_PRIVATE}")?;
        for (name, value) in &self.variables {
            write!(out, "{name}={value} ")?;
        }
        writeln!(
            out,
            "{}",
            quoted(&self.command(Path::new(CONTEXT), Path::new(PRIVATE)))
        )?;
        if let Some(afterwards) = &self.afterwards {
            writeln!(out, "{}", quoted(afterwards))?;
        }
        Ok(())
    }
}

impl fmt::Display for RunPlan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{ABOUT_PRIVATE}")?;
        for (name, secret) in &self.secrets {
            writeln!(out, "# PRIVATE/given/secrets/{name}: {secret:?}")?;
        }
        writeln!(out, "{}", quoted(&self.command(RUN, Path::new(PRIVATE))))
    }
}

/// A command as a shell takes it, an option a line.
fn quoted(words: &[String]) -> String {
    let mut text = String::new();
    let mut options = true;
    for (place, word) in words.iter().enumerate() {
        // What follows the image is the container's own.
        let is_option = word.starts_with("--");
        let apart = match place {
            0 => "",
            _ if options && (is_option || place > 2) => " \\\n    ",
            _ => " ",
        };
        if place > 2 && !is_option {
            options = false;
        }
        let _ = write!(text, "{apart}{}", shell_word(word));
    }
    text
}
