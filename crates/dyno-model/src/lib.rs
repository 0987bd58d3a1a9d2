//! The vocabulary of a run: ids, markers, items, collections, outcomes and events.
//!
//! Everything that two stages of a run say to each other is a type of this
//! crate, and nothing here does I/O. The serialized form of these types is what
//! the journal keeps, so a field may be added with a default and none may change
//! its meaning.

mod carried;
mod claim;
mod collection;
mod environment;
mod event;
mod exit;
mod files;
mod finding;
mod fnmatch;
mod hub;
mod id;
mod item;
mod lane;
mod micros;
mod named_model;
mod os_path;
mod outcome;
mod partition;
mod past;
mod printed;
mod process_exit;
mod pytest_config;
mod real_collection;
mod report;
mod sandbox;
mod secrets;
mod shell;

pub use carried::Carried;
pub use claim::{Bytes, Capacity, Claim, MilliCpu, TokenName};
pub use collection::{
    Doubt, FileTests, FoundTest, Param, Scope, Shared, Test, Thing, Touch, Unknown, UsedFixture,
};
pub use environment::{
    CommandOption, Environment, FixtureParam, HookImplementation, IniOption, Interpreter, Plugin,
    PluginFixture, Takes,
};
pub use event::{Display, Event, Hazard, Memory, Progress, Stamped, Stop, Took, WorkerFailure};
pub use exit::ExitCode;
pub use files::{FileKind, Files, FilesInMemory, FolderEntry};
pub use finding::{Finding, FindingState};
pub use fnmatch::Fnmatch;
pub use hub::{
    InvalidModelFiles, InvalidModelName, InvalidRevision, ModelFiles, ModelName, ModelRequest,
    Revision,
};
pub use id::{InvalidId, RunId, TemplateId, TestId, UnitId, WorkerId};
pub use item::{Item, Location, Marker};
pub use lane::Lane;
pub use named_model::NamedModel;
pub use os_path::{absolute_path, python_text};
pub use outcome::{Category, Outcome, Tally};
pub use partition::{Dealing, Partition};
pub use past::Past;
pub use printed::{Keeping, Printed, PrintedMore, Stream};
pub use process_exit::ProcessExit;
pub use pytest_config::{ArgsSource, CacheOptions, ImportMode, PytestConfig, PytestVersion};
pub use real_collection::{
    Bind, CollectedFile, CollectionRecord, Dependencies, Found, Look, RealCollection,
    SkippedCollection, SocketKind, Variable,
};
pub use report::{CollectFailure, Phase, PhaseReport, Section, Skip, Status, Warning};
pub use sandbox::{LeakPolicy, Leaked, LimitKind, Limits, MissingLimit, MissingWall, Usage};
pub use secrets::{MASK, Secrets, is_secret};
pub use shell::shell_word;
