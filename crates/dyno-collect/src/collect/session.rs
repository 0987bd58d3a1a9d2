//! Environment and configuration.

use crate::Disk;
use crate::environment::{Probe, Probed};
use crate::pytest::Pytest;
use crate::request::{CollectError, Request};
use dyno_config::pytest::{Arity, PluginOption, Started, pytest_config};
use dyno_model::{CommandOption, PytestConfig, PytestVersion, Takes};
use std::ffi::OsString;

/// What everything follows from.
pub(super) struct Session {
    pub(super) config: PytestConfig,
    pub(super) probed: Probed,
}

impl Session {
    /// Asks the environment what it brings (or finds that kept), and resolves the
    /// configuration by the version of pytest in it.
    ///
    /// Which plugins the arguments and the ini file name is known only then; where they
    /// name some, the environment is asked again, with them.
    pub(super) fn open(
        request: &Request,
        pytest: &dyn Pytest,
        disk: &Disk,
        debug: &mut Vec<String>,
    ) -> Result<Self, CollectError> {
        let mut probe = |args: &[OsString]| {
            let probe = Probe {
                python: &request.python,
                args,
                variables: &request.variables,
                cache: request.cache.as_deref(),
                executable: request.executable,
            };
            probe.run(pytest, debug)
        };
        let mut probed = probe(&[])?;
        let variable =
            |name: &str| Some(request.variables.get(name)?.to_string_lossy().into_owned());
        let options: Vec<PluginOption> = probed.environment.options.iter().map(option).collect();
        let started = Started {
            version: version_of(&probed.environment.pytest),
            options: &options,
            args: &request.args,
            folder: &request.folder,
            environment: &variable,
        };
        let config = pytest_config(&started, disk)
            .map_err(|error| CollectError::Usage(error.to_string()))?;
        let plugins = plugin_args(&config);
        if !plugins.is_empty() {
            probed = probe(&plugins)?;
        }
        Ok(Self { config, probed })
    }
}

fn option(option: &CommandOption) -> PluginOption {
    PluginOption {
        names: option.names.clone(),
        arity: match option.takes {
            Takes::Nothing => Arity::Flag,
            Takes::One => Arity::Value,
            Takes::Optional => Arity::Optional,
            Takes::Many => Arity::Many,
        },
    }
}

/// The arguments that load the same plugins.
fn plugin_args(config: &PytestConfig) -> Vec<OsString> {
    let mut args = Vec::new();
    if config.plugins.is_empty() {
        return args;
    }
    for plugin in &config.plugins {
        args.push("-p".into());
        args.push(plugin.into());
    }
    if !config.pythonpath.is_empty() {
        let folders: Vec<_> = config
            .pythonpath
            .iter()
            .map(|folder| folder.display().to_string())
            .collect();
        args.push("-o".into());
        args.push(format!("pythonpath={}", folders.join(" ")).into());
    }
    args
}

/// `9.2.0` or `9.3.0.dev7+g123`: the first two numbers count.
fn version_of(text: &str) -> PytestVersion {
    let mut numbers = text
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or_default());
    let mut next = || numbers.next().unwrap_or_default();
    PytestVersion::new(next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (text, version) in [
            ("9.2.0", (9, 2)),
            ("8.4.0.dev12+gabc", (8, 4)),
            ("10", (10, 0)),
            ("", (0, 0)),
        ] {
            assert_eq!(version_of(text), PytestVersion::new(version.0, version.1));
        }
    }
}
