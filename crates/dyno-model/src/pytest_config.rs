//! pytest's configuration, resolved, as far as collection depends on it.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What pytest would collect by: command line, ini file and defaults, resolved.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of pytest")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PytestConfig {
    /// pytest's version, whose rules apply.
    pub version: PytestVersion,
    /// The folder that pytest is started in.
    pub invocation_dir: PathBuf,
    /// `rootdir`: node ids are relative to it.
    pub rootdir: PathBuf,
    /// The ini file that was chosen.
    pub inifile: Option<PathBuf>,
    /// What is to be collected: `config.args`, that is paths and node ids from the command
    /// line, else `testpaths`, else the working directory.
    pub args: Vec<String>,
    /// `python_files`.
    pub python_files: Vec<String>,
    /// `python_classes`.
    pub python_classes: Vec<String>,
    /// `python_functions`.
    pub python_functions: Vec<String>,
    /// `norecursedirs`.
    pub norecursedirs: Vec<String>,
    /// `--ignore`, absolute.
    pub ignore: Vec<PathBuf>,
    /// `--ignore-glob`, absolute.
    pub ignore_glob: Vec<String>,
    /// `--collect-in-virtualenv`.
    pub collect_in_virtualenv: bool,
    /// `--keep-duplicates`.
    pub keep_duplicates: bool,
    /// `--confcutdir`; conftests above it are not loaded.
    pub confcutdir: Option<PathBuf>,
    /// `--noconftest`.
    pub noconftest: bool,
    /// `--import-mode`.
    pub import_mode: ImportMode,
    /// `pythonpath`, absolute.
    pub pythonpath: Vec<PathBuf>,
    /// `consider_namespace_packages`.
    pub consider_namespace_packages: bool,
    /// `collect_imported_tests`.
    pub collect_imported_tests: bool,
    /// `usefixtures`.
    pub usefixtures: Vec<String>,
    /// `disable_test_id_escaping_and_forfeit_all_rights_to_community_support`.
    pub disable_id_escaping: bool,
    /// `parametrize_long_str_id_strategy`, as it was written.
    pub long_str_ids: Option<String>,
    /// `strict_parametrization_ids`: duplicates are an error of collection.
    pub strict_parametrization_ids: bool,
    /// `empty_parameter_set_mark`: `skip`, `xfail` or `fail_at_collect`.
    pub empty_parameter_set_mark: String,
    /// Every option of the ini file and of `-o` by name, as text: lists one value a line,
    /// those of plugins too.
    pub ini: Vec<(String, String)>,
    /// Whether `args` come from the command line, `testpaths` or nowhere.
    pub args_source: ArgsSource,
    /// `--pyargs`.
    pub pyargs: bool,
    /// `-p NAME`, in order; `no:NAME` as it was written.
    pub plugins: Vec<String>,
    /// `PYTEST_PLUGINS`, taken apart.
    pub env_plugins: Vec<String>,
    /// Plugins of installed distributions are not loaded by themselves
    /// (`PYTEST_DISABLE_PLUGIN_AUTOLOAD`, `--disable-plugin-autoload`).
    pub no_plugin_autoload: bool,
    /// `-m`; empty where it was not given.
    pub marker_expression: String,
    /// `-k`; empty where it was not given.
    pub keyword_expression: String,
    /// `--deselect`: prefixes of node ids.
    pub deselect: Vec<String>,
    /// What is asked of pytest's cache.
    pub cache: CacheOptions,
    /// `--doctest-modules`.
    pub doctest_modules: bool,
    /// `--doctest-glob`, `test*.txt` where it was not given.
    pub doctest_glob: Vec<String>,
    /// `--doctest-ignore-import-errors`.
    pub doctest_ignore_import_errors: bool,
    /// `--collect-only`.
    pub collect_only: bool,
    /// `--continue-on-collection-errors`.
    pub continue_on_collection_errors: bool,
    /// `--strict-markers`, or what of the ini file asks for it.
    pub strict_markers: bool,
    /// Options that pytest itself does not have: a plugin's or a conftest's, as written
    /// (`--name`, `--name=value`, `-X`). What each means is not known here.
    pub other_options: Vec<String>,
    /// What in the configuration no text settles, each with its reason: nothing may then be
    /// concluded from the text.
    pub unknown: Vec<String>,
}

impl PytestConfig {
    /// What pytest does in `rootdir` without an argument or an ini file.
    pub fn defaults(version: PytestVersion, rootdir: impl Into<PathBuf>) -> Self {
        let rootdir = rootdir.into();
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            version,
            invocation_dir: rootdir.clone(),
            inifile: None,
            args: vec![rootdir.to_string_lossy().into_owned()],
            python_files: owned(&["test_*.py", "*_test.py"]),
            python_classes: owned(&["Test"]),
            python_functions: owned(&["test"]),
            norecursedirs: owned(NORECURSEDIRS),
            ignore: Vec::new(),
            ignore_glob: Vec::new(),
            collect_in_virtualenv: false,
            keep_duplicates: false,
            confcutdir: Some(rootdir.clone()),
            noconftest: false,
            import_mode: ImportMode::Prepend,
            pythonpath: Vec::new(),
            consider_namespace_packages: false,
            collect_imported_tests: true,
            usefixtures: Vec::new(),
            disable_id_escaping: false,
            long_str_ids: None,
            strict_parametrization_ids: false,
            empty_parameter_set_mark: "skip".to_owned(),
            ini: Vec::new(),
            args_source: ArgsSource::InvocationDir,
            pyargs: false,
            plugins: Vec::new(),
            env_plugins: Vec::new(),
            no_plugin_autoload: false,
            marker_expression: String::new(),
            keyword_expression: String::new(),
            deselect: Vec::new(),
            cache: CacheOptions {
                dir: rootdir.join(".pytest_cache"),
                last_failed: false,
                failed_first: false,
                new_first: false,
                no_last_failed: "all".to_owned(),
                stepwise: false,
                stepwise_skip: false,
                stepwise_reset: false,
                clear: false,
            },
            doctest_modules: false,
            doctest_glob: owned(&["test*.txt"]),
            doctest_ignore_import_errors: false,
            collect_only: false,
            continue_on_collection_errors: false,
            strict_markers: false,
            other_options: Vec::new(),
            unknown: Vec::new(),
            rootdir,
        }
    }

    /// Whether `-p no:NAME` blocks one of pytest's own plugins: the last word about it
    /// counts.
    pub fn blocks(&self, plugin: &str) -> bool {
        let mut blocked = false;
        for word in &self.plugins {
            let (name, blocks) = match word.trim().strip_prefix("no:") {
                Some(name) => (name, true),
                None => (word.trim(), false),
            };
            let prefixed = || name.strip_prefix("pytest_") == Some(plugin);
            if name == plugin || prefixed() {
                blocked = blocks;
            }
        }
        blocked
    }
}

/// `norecursedirs` where no ini file sets it; the same in 8.0 to 9.2.
const NORECURSEDIRS: &[&str] = &[
    "*.egg",
    ".*",
    "_darcs",
    "build",
    "CVS",
    "dist",
    "node_modules",
    "venv",
    "{arch}",
];

/// Where `config.args` come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArgsSource {
    /// The command line, `addopts` and `PYTEST_ADDOPTS` included.
    Args,
    /// `testpaths`.
    Testpaths,
    /// Neither: the working directory.
    InvocationDir,
}

/// What is asked of pytest's cache.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of pytest")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheOptions {
    /// `cache_dir`, absolute.
    pub dir: PathBuf,
    /// `--lf`.
    pub last_failed: bool,
    /// `--ff`.
    pub failed_first: bool,
    /// `--nf`.
    pub new_first: bool,
    /// `--lfnf`: `all` or `none`.
    pub no_last_failed: String,
    /// `--sw`; `--stepwise-skip` and `--stepwise-reset` imply it.
    pub stepwise: bool,
    /// `--sw-skip`.
    pub stepwise_skip: bool,
    /// `--sw-reset` (8.4).
    pub stepwise_reset: bool,
    /// `--cache-clear`.
    pub clear: bool,
}

/// A version of pytest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PytestVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl PytestVersion {
    /// That version.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Whether it is that version or a later one.
    pub fn at_least(self, major: u32, minor: u32) -> bool {
        self >= Self::new(major, minor)
    }
}

/// `--import-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "pytest's own words")]
pub enum ImportMode {
    Prepend,
    Append,
    Importlib,
}
