//! The parts put together: `Config.parse` of pytest.

use super::argv::{self, Parsed};
use super::options::Table;
use super::rootdir::{Search, overrides};
use super::text::{expand_variables, split_shell};
use super::values::Ini;
use super::{Started, UsageError, glob};
use dyno_model::{
    ArgsSource, CacheOptions, FileKind, Files, ImportMode, PytestConfig, absolute_path,
};
use std::path::PathBuf;

/// Resolves pytest's configuration.
pub fn pytest_config(started: &Started<'_>, files: &dyn Files) -> Result<PytestConfig, UsageError> {
    let Started {
        version, folder, ..
    } = *started;
    let shell = |text: &str, what: &str| {
        let refuse = |message| argv::refuse(&format!("{what}: {message}"));
        split_shell(text).map_err(refuse)
    };
    let read = |args: &[String]| argv::read_files(args, version, folder, files);
    let environment = (started.environment)("PYTEST_ADDOPTS").unwrap_or_default();
    let mut args = read(&shell(&environment, "PYTEST_ADDOPTS")?)?;
    args.extend(read(started.args)?);
    // The root directory is looked for by what pytest alone understands of the arguments:
    // plugins are loaded later.
    let first = argv::parse(&args, &Table::of_pytest(version))?;
    let given = first.last("--rootdir");
    let setup = Search {
        version,
        folder,
        files,
        paths: &first.paths,
        inifile: first.last("-c"),
        rootdir: given.map(|text| expand_variables(text, started.environment)),
    }
    .setup()?;
    let mut ini = Ini::new(setup.values, setup.inifile.clone());
    ini.override_with(overridden(&first, started)?);
    let addopts = read(&ini.args("addopts")?.unwrap_or_default())?;
    args.splice(0..0, addopts);
    let table = Table::of_pytest(version).with(started.options);
    let parsed = argv::parse(&args, &table)?;
    // 9.1 began to heed what addopts override.
    if version.at_least(9, 1) {
        ini.override_with(overridden(&parsed, started)?);
    }
    let mut config = PytestConfig::defaults(version, setup.rootdir);
    folder.clone_into(&mut config.invocation_dir);
    config.inifile = setup.inifile;
    take_ini(&mut config, &ini, started)?;
    take_options(&mut config, &parsed, started, files)?;
    decide_args(&mut config, &parsed, &ini, files)?;
    config.unknown.extend(parsed.unknown);
    note_unknown(&mut config);
    Ok(config)
}

/// `-o`, and since 9.0 the flags that stand for it.
fn overridden(parsed: &Parsed, started: &Started<'_>) -> Result<Vec<(String, String)>, UsageError> {
    let as_override = |(name, value): (&str, &str)| match name {
        "-o" => Some(value.to_owned()),
        "--strict" | "--strict-config" | "--strict-markers" if started.version.at_least(9, 0) => {
            let option = name.trim_start_matches('-').replace('-', "_");
            Some(format!("{option}=true"))
        }
        _ => None,
    };
    let given: Vec<String> = parsed.values().filter_map(as_override).collect();
    overrides(given.iter().map(String::as_str))
}

fn take_ini(config: &mut PytestConfig, ini: &Ini, started: &Started<'_>) -> Result<(), UsageError> {
    let take = |name: &str, into: &mut Vec<String>| -> Result<(), UsageError> {
        if let Some(words) = ini.args(name)? {
            *into = words;
        }
        Ok(())
    };
    take("python_files", &mut config.python_files)?;
    take("python_classes", &mut config.python_classes)?;
    take("python_functions", &mut config.python_functions)?;
    take("norecursedirs", &mut config.norecursedirs)?;
    take("usefixtures", &mut config.usefixtures)?;
    config.pythonpath = ini.paths("pythonpath", started.folder)?;
    let version = started.version;
    // 8.1 brought it.
    if version.at_least(8, 1) {
        let flag = ini.flag("consider_namespace_packages")?;
        config.consider_namespace_packages = flag.unwrap_or(false);
    }
    // 8.4 brought it.
    if version.at_least(8, 4) {
        config.collect_imported_tests = ini.flag("collect_imported_tests")?.unwrap_or(true);
    }
    let escaping = "disable_test_id_escaping_and_forfeit_all_rights_to_community_support";
    config.disable_id_escaping = ini.flag(escaping)?.unwrap_or(false);
    if let Some(mark) = ini.text("empty_parameter_set_mark")? {
        // Before 9.2 the empty text stood for the default.
        let is_default = mark.is_empty() && !version.at_least(9, 2);
        if !matches!(mark.as_str(), "skip" | "xfail" | "fail_at_collect") && !is_default {
            let what = format!("`empty_parameter_set_mark` is `{mark}`, which pytest has not");
            config.unknown.push(what);
        }
        if !is_default {
            config.empty_parameter_set_mark = mark;
        }
    }
    // 9.0 brought `strict` and what it stands for.
    if version.at_least(9, 0) {
        let strict = ini.flag("strict")?.unwrap_or(false);
        config.strict_markers = ini.flag("strict_markers")?.unwrap_or(strict);
        let ids = ini.flag("strict_parametrization_ids")?;
        config.strict_parametrization_ids = ids.unwrap_or(strict);
    }
    config.long_str_ids = ini.text("parametrize_long_str_id_strategy")?;
    let cache = match ini.text("cache_dir")? {
        Some(given) => given,
        None => match (started.environment)("TOX_ENV_DIR") {
            Some(tox) => format!("{tox}/.pytest_cache"),
            None => ".pytest_cache".to_owned(),
        },
    };
    config.cache.dir = config.rootdir.join(expand_home(&cache, started));
    config.ini = ini.flat();
    Ok(())
}

/// `os.path.expanduser` of one's own home, then `os.path.expandvars`.
fn expand_home(text: &str, started: &Started<'_>) -> String {
    let home = (started.environment)("HOME").filter(|_| text == "~" || text.starts_with("~/"));
    let expanded = match home {
        Some(home) => format!(
            "{}{}",
            home.trim_end_matches('/'),
            text.get(1..).unwrap_or("")
        ),
        None => text.to_owned(),
    };
    expand_variables(&expanded, started.environment)
}

fn take_options(
    config: &mut PytestConfig,
    parsed: &Parsed,
    started: &Started<'_>,
    files: &dyn Files,
) -> Result<(), UsageError> {
    let folder = started.folder;
    let absolute = |text: &str| absolute_path(folder, text);
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let owned = |dest: &str| parsed.last(dest).unwrap_or_default().to_owned();
    config.ignore = parsed.all("--ignore").map(absolute).collect();
    config.ignore_glob = parsed
        .all("--ignore-glob")
        .map(absolute)
        .map(text)
        .collect();
    config.collect_in_virtualenv = parsed.has("--collect-in-virtualenv");
    config.keep_duplicates = parsed.has("--keep-duplicates");
    config.noconftest = parsed.has("--noconftest");
    for given in parsed.all("--confcutdir") {
        if files.kind(&absolute(given)) != Some(FileKind::Folder) {
            return Err(UsageError {
                message: format!("--confcutdir must be a directory, given: {given}"),
            });
        }
    }
    let own = || {
        let file = config.inifile.as_deref();
        let above = file.and_then(std::path::Path::parent);
        above.unwrap_or(&config.rootdir).to_path_buf()
    };
    // An empty text is no folder, and was refused above.
    config.confcutdir = Some(parsed.last("--confcutdir").map_or_else(own, absolute));
    for mode in parsed.all("--import-mode") {
        config.import_mode = match mode {
            "prepend" => ImportMode::Prepend,
            "append" => ImportMode::Append,
            "importlib" => ImportMode::Importlib,
            other => {
                let choices = ["prepend", "append", "importlib"];
                return Err(no_choice("--import-mode", other, &choices));
            }
        };
    }
    config.pyargs = parsed.has("--pyargs");
    config.plugins = parsed
        .all("-p")
        .map(|name| name.trim().to_owned())
        .collect();
    let plugins = (started.environment)("PYTEST_PLUGINS").unwrap_or_default();
    let names = plugins.split(',').filter(|_| !plugins.is_empty());
    config.env_plugins = names.map(str::to_owned).collect();
    let disabled = (started.environment)("PYTEST_DISABLE_PLUGIN_AUTOLOAD");
    config.no_plugin_autoload =
        parsed.has("--disable-plugin-autoload") || disabled.is_some_and(|text| !text.is_empty());
    config.marker_expression = owned("-m");
    config.keyword_expression = owned("-k");
    config.deselect = parsed.all("--deselect").map(str::to_owned).collect();
    config.doctest_modules = parsed.has("--doctest-modules");
    let globs: Vec<String> = parsed.all("--doctest-glob").map(str::to_owned).collect();
    if !globs.is_empty() {
        config.doctest_glob = globs;
    }
    config.doctest_ignore_import_errors = parsed.has("--doctest-ignore-import-errors");
    config.collect_only = parsed.has("--collect-only");
    config.continue_on_collection_errors = parsed.has("--continue-on-collection-errors");
    // 9.0 made these flags stand for ini options, which are taken already.
    if !config.version.at_least(9, 0) {
        config.strict_markers = parsed.has("--strict-markers") || parsed.has("--strict");
    }
    config.other_options.clone_from(&parsed.others);
    take_cache(&mut config.cache, parsed)
}

fn take_cache(cache: &mut CacheOptions, parsed: &Parsed) -> Result<(), UsageError> {
    cache.last_failed = parsed.has("--lf");
    cache.failed_first = parsed.has("--ff");
    cache.new_first = parsed.has("--nf");
    cache.stepwise_skip = parsed.has("--sw-skip");
    cache.stepwise_reset = parsed.has("--sw-reset");
    cache.stepwise = parsed.has("--sw") || cache.stepwise_skip || cache.stepwise_reset;
    cache.clear = parsed.has("--cache-clear");
    for choice in parsed.all("--lfnf") {
        if !matches!(choice, "all" | "none") {
            return Err(no_choice(
                "--lfnf/--last-failed-no-failures",
                choice,
                &["all", "none"],
            ));
        }
        choice.clone_into(&mut cache.no_last_failed);
    }
    Ok(())
}

fn no_choice(option: &str, given: &str, choices: &[&str]) -> UsageError {
    let quoted: Vec<String> = choices.iter().map(|choice| format!("'{choice}'")).collect();
    argv::refuse(&format!(
        "argument {option}: invalid choice: {} (choose from {})",
        super::ini::repr(given),
        quoted.join(", ")
    ))
}

/// `Config._decide_args`.
fn decide_args(
    config: &mut PytestConfig,
    parsed: &Parsed,
    ini: &Ini,
    files: &dyn Files,
) -> Result<(), UsageError> {
    let testpaths = ini.args("testpaths")?.unwrap_or_default();
    let (source, args) = if !parsed.paths.is_empty() {
        (ArgsSource::Args, parsed.paths.clone())
    } else if config.invocation_dir != config.rootdir {
        (ArgsSource::InvocationDir, Vec::new())
    } else if config.pyargs {
        (ArgsSource::Testpaths, testpaths)
    } else {
        let found = testpaths
            .iter()
            .flat_map(|pattern| glob::glob(pattern, &config.invocation_dir, files));
        (ArgsSource::Testpaths, found.collect())
    };
    if args.is_empty() {
        config.args_source = ArgsSource::InvocationDir;
        config.args = vec![config.invocation_dir.to_string_lossy().into_owned()];
    } else {
        config.args_source = source;
        config.args = args;
    }
    Ok(())
}

/// Plugins of pytest's own without which the tests are others. The rest either cannot be
/// blocked or has no part in it.
const NEEDED: &[&str] = &["python", "unittest"];

/// Plugins that cannot be blocked.
const ESSENTIAL: &[&str] = &["mark", "main", "runner", "fixtures", "helpconfig"];

fn note_unknown(config: &mut PytestConfig) {
    for plugin in NEEDED {
        if config.blocks(plugin) {
            let what = format!("pytest's own plugin `{plugin}` is blocked");
            config.unknown.push(what);
        }
    }
    for plugin in ESSENTIAL {
        if config.plugins.contains(&format!("no:{plugin}")) {
            let what = format!("pytest refuses to block its plugin `{plugin}`");
            config.unknown.push(what);
        }
    }
    if config.pyargs {
        let module = |arg: &&String| {
            let path = arg.split(['[', ':']).next().unwrap_or_default();
            !path.contains('/')
        };
        if let Some(arg) = config.args.iter().find(module) {
            let what = format!("with --pyargs `{arg}` may be the name of a module");
            config.unknown.push(what);
        }
    }
}
