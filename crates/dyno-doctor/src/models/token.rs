//! The token of the Hub: where it is, and who else can read it. Its value is shown nowhere.

use crate::paste;
use crate::surroundings::Surroundings;
use dyno_hub::TokenSource;
use dyno_model::Finding;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Asks for a token without showing it, for whoever has no other tool.
pub(super) const ASK: &str = "read -rs HF_TOKEN && export HF_TOKEN";

/// What is known of the token.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    /// Where it was found.
    source: Option<TokenSource>,
    /// The variable `HF_TOKEN` is there and empty.
    is_empty: bool,
    file: PathBuf,
    /// The mode of the file, where there is one.
    mode: Option<u32>,
    /// Why the file cannot be read.
    unreadable: Option<String>,
    /// It has white space in it, or letters that no header takes.
    is_odd: bool,
}

impl Kept {
    pub(super) fn look(around: &Surroundings) -> Self {
        let place = &around.place;
        let file = place.token_file.clone();
        let empty = around.variables.get(std::ffi::OsStr::new("HF_TOKEN"));
        let odd = |letter: char| !letter.is_ascii_graphic();
        Self {
            source: place.token.as_ref().map(|token| token.source().clone()),
            is_empty: empty.is_some_and(|value| value.is_empty()),
            mode: std::fs::metadata(&file)
                .ok()
                .map(|found| found.mode() & 0o777),
            unreadable: match std::fs::read(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Some(
                    error
                        .to_string()
                        .split(" (os error")
                        .next()
                        .unwrap_or_default()
                        .to_lowercase(),
                ),
                _ => None,
            },
            is_odd: place
                .token
                .as_ref()
                .is_some_and(|token| token.secret().contains(odd)),
            file,
        }
    }
}

pub(super) fn judge(kept: &Kept, needs: bool) -> Finding {
    let name = "token";
    let file = paste::path(&kept.file);
    if let Some(source) = kept.source.as_ref().filter(|_| kept.is_odd) {
        return Finding::costs(
            name,
            format!("the one of {source} has white space or letters in it that no token has"),
            "the Hub refuses it, and with it models that need none",
        )
        .mended_by(Some(ASK.to_owned()));
    }
    if kept.mode.is_some_and(|mode| mode & 0o077 != 0) {
        return Finding::costs(
            name,
            format!(
                "{} can be read by others (mode {:o})",
                kept.file.display(),
                kept.mode.unwrap_or(0)
            ),
            "whoever has an account here can take it",
        )
        .mended_by(Some(format!("chmod 600 {file}")));
    }
    match &kept.source {
        Some(source) => Finding::good(name, format!("found in {source}")),
        None if kept.unreadable.is_some() => Finding::costs(
            name,
            format!(
                "{} cannot be read: {}",
                kept.file.display(),
                kept.unreadable.as_deref().unwrap_or_default()
            ),
            "gated models cannot be fetched",
        )
        .mended_by(Some(format!(
            "sudo chown \"$USER\" {file} && chmod 600 {file}"
        ))),
        None => {
            let how = if kept.is_empty {
                "HF_TOKEN is empty"
            } else {
                "none"
            };
            let found = format!("{how}: neither in HF_TOKEN nor in {}", kept.file.display());
            if needs {
                Finding::costs(name, found, "tests of a gated model cannot run")
            } else {
                Finding::note(name, format!("{found}; only gated models need one"))
            }
            .mended_by(Some(ASK.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_the_page::assert_mends;
    use dyno_model::FindingState::{Costs, Good, Note};

    #[test]
    fn a_token_is_found_kept_and_needed() {
        let of_variable = || Some(TokenSource::Variable("HF_TOKEN"));
        let none = || Kept {
            file: PathBuf::from("/my home/token"),
            ..Kept::default()
        };
        let kept = |mode| Kept {
            source: Some(TokenSource::File("/my home/token".into())),
            mode: Some(mode),
            ..none()
        };
        for (kept, needs, state, says, command) in [
            (
                none(),
                false,
                Note,
                "neither in HF_TOKEN nor in /my home/token",
                ASK,
            ),
            (none(), true, Costs, "none", ASK),
            (
                Kept {
                    is_empty: true,
                    ..none()
                },
                true,
                Costs,
                "HF_TOKEN is empty",
                ASK,
            ),
            (
                Kept {
                    source: of_variable(),
                    ..none()
                },
                true,
                Good,
                "HF_TOKEN",
                "",
            ),
            (kept(0o600), true, Good, "/my home/token", ""),
            (
                kept(0o644),
                true,
                Costs,
                "mode 644",
                "chmod 600 '/my home/token'",
            ),
            (
                Kept {
                    source: of_variable(),
                    is_odd: true,
                    ..none()
                },
                false,
                Costs,
                "white space",
                ASK,
            ),
            (
                Kept {
                    unreadable: Some("permission denied".to_owned()),
                    mode: Some(0o600),
                    ..none()
                },
                false,
                Costs,
                "permission denied",
                "chmod 600",
            ),
        ] {
            let found = judge(&kept, needs);
            assert_mends(&found, state, command);
            assert!(found.found.contains(says), "{found:?}");
        }
    }
}
