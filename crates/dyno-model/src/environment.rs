//! What a Python environment brings to collection, as a real pytest told of it.
//!
//! It is asked for once an environment and kept: interpreter, plugins, and what those
//! plugins bring (hooks, fixtures, options). No conftest has a part in it.

use crate::{Marker, Scope};
use serde::{Deserialize, Serialize};

/// A Python with its pytest and plugins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// The interpreter.
    pub python: Interpreter,
    /// pytest's version, as `9.2.0`.
    pub pytest: String,
    /// `sys.path` as the `pytest` command has it, before conftests and `pythonpath` add to it.
    pub sys_path: Vec<String>,
    /// Plugins that are not pytest's own, in the order in which they were registered.
    pub plugins: Vec<Plugin>,
    /// Implementations of the hooks that can change what is collected, of plugins that are
    /// neither pytest's own nor dyno's; for each hook in the order of calls.
    pub hooks: Vec<HookImplementation>,
    /// Fixtures, pytest's own among them. Where two have one name, the later overrides.
    pub fixtures: Vec<PluginFixture>,
    /// Options of the ini file.
    pub ini: Vec<IniOption>,
    /// Options of the command line.
    pub options: Vec<CommandOption>,
    /// The `markers` ini lines that pytest and its plugins registered (`NAME: meaning`).
    pub markers: Vec<String>,
    /// Exceptions to what the text of a test says that a plugin brings without a hook of
    /// those above, one lowercase clause each; empty where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// A Python interpreter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// `sys.executable`.
    pub executable: String,
    /// `sys.version_info[:3]`.
    pub version: [u32; 3],
    /// `sys.version_info.releaselevel`: `final` as a rule.
    pub level: String,
    /// `sys.implementation.name`, as `cpython`.
    pub implementation: String,
    /// `sys.platform`, as `linux`.
    pub platform: String,
    /// `os.name`, as `posix`.
    pub os_name: String,
    /// `platform.machine()`, as `x86_64`.
    pub machine: String,
    /// `sys.prefix`.
    pub prefix: String,
    /// Folders of the standard library.
    pub stdlib: Vec<String>,
    /// Folders of installed packages (`purelib`, `platlib`, and those of the user and the
    /// system that are on `sys.path`).
    pub site: Vec<String>,
    /// Names of modules that are built in or belong to the standard library.
    pub stdlib_names: Vec<String>,
}

/// A plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    /// The name that it is registered by.
    pub name: String,
    /// The distribution that it was installed with; empty for one that `-p` named.
    #[serde(default)]
    pub distribution: String,
    /// The distribution's version.
    #[serde(default)]
    pub version: String,
    /// The file of its module; empty for an object without one.
    #[serde(default)]
    pub file: String,
}

/// A plugin's implementation of a hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookImplementation {
    /// The hook, as `pytest_collection_modifyitems`.
    pub hook: String,
    /// The plugin's name.
    pub plugin: String,
    /// The function's file.
    pub file: String,
    /// The function's line, counted from 1.
    pub line: u32,
    /// `tryfirst`.
    #[serde(default)]
    pub tryfirst: bool,
    /// `trylast`.
    #[serde(default)]
    pub trylast: bool,
    /// `wrapper` or `hookwrapper`.
    #[serde(default)]
    pub wrapper: bool,
}

/// A fixture that pytest or a plugin brings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginFixture {
    /// The name by which tests ask for it.
    pub name: String,
    /// Its scope; absent where a function decides it.
    pub scope: Option<Scope>,
    /// The fixtures that it asks for, `request` among them.
    pub arguments: Vec<String>,
    /// Whether every test uses it.
    pub autouse: bool,
    /// Its parameters; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Vec<FixtureParam>>,
    /// The file of its function.
    pub file: String,
    /// `baseid`: the node below which it is seen; empty for everywhere.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base: String,
}

/// One parameter of a plugin's fixture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FixtureParam {
    /// What stands in the brackets, as pytest made it of the fixture's `ids` and values;
    /// absent where pytest could not say.
    pub id: Option<String>,
    /// The value as a Python literal, where it is one (`None`, a bool, a number, text, bytes).
    pub value: Option<String>,
    /// Marks that it brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Marker>,
}

/// An option of the ini file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IniOption {
    /// Its name.
    pub name: String,
    /// Other names of it (pytest 9).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// `string`, `bool`, `int`, `float`, `args`, `linelist`, `paths`, `pathlist`.
    pub kind: String,
    /// What holds where the file is silent, as it would be written there (a list by lines);
    /// absent for `None`.
    pub default: Option<String>,
}

/// An option of the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandOption {
    /// Its names, long and short, as `-m`.
    pub names: Vec<String>,
    /// The attribute of `config.option`.
    pub dest: String,
    /// What follows it.
    pub takes: Takes,
}

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Takes {
    /// Nothing: a flag.
    Nothing,
    /// One value.
    One,
    /// A value or none (`nargs="?"`).
    Optional,
    /// Any number of values.
    Many,
}
