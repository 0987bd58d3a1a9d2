//! `dyno container`: images with what a suite needs, and containers of them.

mod host;

use crate::commands::code;
use crate::screen::Screen;
use dyno_container::drive::{self, Ended, KeeperCommand};
use dyno_container::{
    BuildInputs, BuildPlan, BuildRequest, ContainerError, Engine, EngineKind, Problem, RunInputs,
    RunOptions, RunPlan, choose,
};
use dyno_model::ExitCode;
use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;

/// The options of `dyno container`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Build an image with Dynamo, an engine and the suite's packages.
    Build(BuildArgs),
    /// Run a command in a container, and leave nothing of the container.
    #[command(after_help = AFTER_RUN)]
    Run(Box<RunArgs>),
    /// Remove what a build or run leaves, at its end: started by the two above.
    #[command(hide = true)]
    Keep(KeepArgs),
}

const AFTER_RUN: &str = "\
Without a command there is a shell. A token of the Hugging Face Hub and variables that are
secrets by their names go by files in memory: they are in no argument, and in nothing that the
engine tells about the container.

The exit code is the command's. It is the engine's own 125, 126 or 127 where the container
could not be made, the command not be started, or not be found; 4 is a usage error.";

#[derive(Debug, clap::Args)]
struct BuildArgs {
    /// The engine in the image: vllm, sglang, trtllm or none.
    #[arg(long, value_name = "NAME")]
    framework: String,
    /// What it is for: runtime runs tests, dev builds and checks dyno as well.
    #[arg(long, value_name = "NAME", default_value = "runtime")]
    target: String,
    /// The image's name [default: dyno:FRAMEWORK-TARGET, and dyno:latest]. Repeatable.
    #[arg(long = "tag", short = 't', value_name = "NAME")]
    tags: Vec<String>,
    /// `BASE_IMAGE`, `RUST_IMAGE` (of the target dev), or DEVICE: cpu or cuda. Repeatable.
    #[arg(long = "build-arg", value_name = "NAME=VALUE")]
    arguments: Vec<String>,
    /// The image it is built on, with a digest where it is to be the same for ever.
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,
    /// The network of the build's steps, such as host.
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// docker or podman [default: the first that serves].
    #[arg(long, value_name = "NAME")]
    engine: Option<String>,
    /// dyno's wheel [default: the newest in `.venv/wheels` of the repository].
    #[arg(long, value_name = "FILE")]
    wheel: Option<PathBuf>,
    /// dyno's repository [default: the nearest upwards that has requirements/container].
    #[arg(long, value_name = "DIR", overrides_with = "repository")]
    repository: Option<PathBuf>,
    /// Print all that would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools)] // They are the command line's flags.
struct RunArgs {
    /// Mount the workspace at /workspace and work there.
    #[arg(long)]
    mount_workspace: bool,
    /// The workspace [default: the nearest folder upwards that configures pytest].
    #[arg(long, value_name = "DIR", overrides_with = "workspace")]
    workspace: Option<PathBuf>,
    /// Keep standard input open.
    #[arg(short, long)]
    interactive: bool,
    /// Give it a terminal; left out where standard input is none.
    #[arg(short, long)]
    tty: bool,
    /// GPUs: all, none, a number, or device=0,1.
    #[arg(long, value_name = "SPEC")]
    gpus: Option<String>,
    /// The cache of models: an `HF_HUB_CACHE`, or an `HF_HOME` with its folder hub
    /// [default: yours, made where it is missing].
    #[arg(long, value_name = "DIR")]
    hf_cache: Option<PathBuf>,
    /// A variable, with your value where none is given. Repeatable.
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// The size of /dev/shm [default: 8g, or half of the memory].
    #[arg(long, value_name = "SIZE")]
    shm_size: Option<String>,
    /// The container's name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The container's network, such as host.
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// The image [default: the one that was built last].
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// The image of this framework.
    #[arg(long, value_name = "NAME")]
    framework: Option<String>,
    /// The image of this target.
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// docker or podman [default: the first that serves].
    #[arg(long, value_name = "NAME")]
    engine: Option<String>,
    /// Print all that would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// The command and its arguments.
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct KeepArgs {
    folder: PathBuf,
    #[arg(long)]
    label: Option<String>,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    afterwards: Vec<OsString>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<std::process::ExitCode> {
    let done = match args.what {
        What::Build(args) => build(args),
        What::Run(args) => run_container(*args),
        What::Keep(args) => drive::keep(&args.folder, args.label.as_deref(), &args.afterwards)
            .map(|()| Ended { code: 0 }),
    };
    match done {
        Ok(Ended { code }) => Ok(std::process::ExitCode::from(code)),
        Err(ContainerError::Problems(problems)) => {
            for problem in problems {
                anstream::eprintln!("{problem}");
            }
            Ok(code(ExitCode::UsageError))
        }
        Err(error) => Err(error.into()),
    }
}

fn build(args: BuildArgs) -> Result<Ended, ContainerError> {
    let request = BuildRequest {
        framework: args.framework,
        target: args.target,
        tags: args.tags,
        build_args: args.arguments,
        base: args.base,
        network: args.network,
    };
    let mut problems = Vec::new();
    let kind = engine_kind(args.engine.as_deref(), &mut problems);
    let choice = choose(&request).map_err(|more| problems.extend(more)).ok();
    let repository = host::repository(args.repository.as_deref());
    let repository = repository.map_err(|problem| problems.push(problem)).ok();
    let (Some(choice), Some(repository), []) = (choice, repository, &problems[..]) else {
        return Err(ContainerError::Problems(problems));
    };
    let requirements = host::requirements(&repository, &choice.requirements());
    let requirements = requirements.map_err(|more| problems.extend(more));
    let wheel = match host::wheel(args.wheel.as_deref(), &repository) {
        Ok(wheel) => wheel,
        Err(problem) if args.dry_run => {
            note(&problem.what);
            PathBuf::from("dyno-VERSION.whl")
        }
        Err(problem) => {
            problems.push(problem);
            PathBuf::new()
        }
    };
    let (Ok(requirements), []) = (requirements, &problems[..]) else {
        return Err(ContainerError::Problems(problems));
    };
    let engine = engine(kind, args.dry_run)?;
    let inputs = BuildInputs {
        requirements,
        wheel,
        settings: host::settings(),
    };
    let plan = BuildPlan::new(&choice, &engine, &inputs);
    if args.dry_run {
        Screen::default().print(&plan.to_string());
        return Ok(Ended { code: 0 });
    }
    let ended = drive::build(&plan, &keeper()?)?;
    if ended.code == 0 {
        anstream::eprintln!("dyno: built {}", plan.tags.join(", "));
    } else {
        anstream::eprintln!(
            "dyno: {} did not build {}, and left no tag\nhint: what failed is above; steps that \
             fetch packages may need --network host, or a registry's settings in PIP_INDEX_URL \
             and a certificate in SSL_CERT_FILE",
            engine.program,
            choice.tags[0],
        );
    }
    Ok(ended)
}

fn run_container(args: RunArgs) -> Result<Ended, ContainerError> {
    let mut problems = Vec::new();
    let kind = engine_kind(args.engine.as_deref(), &mut problems);
    let workspace = match (args.mount_workspace, &args.workspace) {
        (true, given) => host::workspace(given.as_deref())
            .map_err(|problem| problems.push(problem))
            .ok(),
        (false, _) => None,
    };
    let cache = host::cache(args.hf_cache.as_deref());
    let cache = cache.map_err(|problem| problems.push(problem)).ok();
    let options = RunOptions {
        image: args.image,
        framework: args.framework,
        target: args.target,
        interactive: args.interactive,
        tty: args.tty,
        gpus: args.gpus,
        env: args.env,
        shm_size: args.shm_size,
        name: args.name,
        network: args.network,
        command: args.command,
    };
    let inputs = RunInputs {
        surroundings: host::surroundings(),
        workspace,
        cache: cache.unwrap_or_default(),
        token: host::token(),
    };
    // What is wrong with the options is told before an engine is looked for.
    let assumed = Engine::assumed(kind.unwrap_or(EngineKind::Docker));
    if let Err(more) = RunPlan::new(&options, &assumed, &inputs) {
        problems.extend(more);
    }
    if !problems.is_empty() {
        return Err(ContainerError::Problems(problems));
    }
    let engine = engine(kind, args.dry_run)?;
    let plan = RunPlan::new(&options, &engine, &inputs).map_err(ContainerError::Problems)?;
    plan.notes.iter().for_each(|one| note(one));
    if args.dry_run {
        Screen::default().print(&plan.to_string());
        return Ok(Ended { code: 0 });
    }
    // An image of another name is the engine's to find.
    if plan.image.starts_with("dyno:") && !drive::has_image(&engine, &plan.image)? {
        let what = format!("{} has no image {}", engine.program, plan.image);
        return Err(Problem::new(what, how_to_build(&options)).into());
    }
    if let Some(name) = &plan.name
        && drive::has_container(&engine, name)?
    {
        let what = format!(
            "{} has a container of the name {name} already",
            engine.program
        );
        let hint = format!(
            "give another --name; `{} rm {name}` removes it where nobody needs it",
            engine.program
        );
        return Err(Problem::new(what, hint).into());
    }
    // Drawn as the standard library draws its hash keys.
    let drawn = RandomState::new().hash_one(std::process::id());
    drive::run(&plan, &format!("dyno-{drawn:016x}"), &keeper()?)
}

fn how_to_build(options: &RunOptions) -> String {
    let framework = options.framework.as_deref().unwrap_or("none");
    let mut command = format!("dyno container build --framework {framework}");
    if let Some(target) = &options.target {
        command = format!("{command} --target {target}");
    }
    match options.framework {
        Some(_) => command,
        None => format!("{command}, or name another by --image or --framework"),
    }
}

fn engine_kind(text: Option<&str>, problems: &mut Vec<Problem>) -> Option<EngineKind> {
    text?.parse().map_err(|problem| problems.push(problem)).ok()
}

/// The engine that is there. A dry run does without, and says so.
fn engine(kind: Option<EngineKind>, dry_run: bool) -> Result<Engine, ContainerError> {
    match drive::find_engine(kind)? {
        Ok(engine) => Ok(engine),
        Err(problems) if dry_run => {
            let assumed = Engine::assumed(kind.unwrap_or(EngineKind::Docker));
            for problem in problems {
                note(&format!(
                    "{}; this is the plan for {}",
                    problem.what, assumed.kind
                ));
            }
            Ok(assumed)
        }
        Err(problems) => Err(ContainerError::Problems(problems)),
    }
}

fn keeper() -> Result<KeeperCommand, ContainerError> {
    let own = std::env::current_exe()
        .map_err(|source| ContainerError::System("tell where dyno itself is", source))?;
    let words = ["container", "keep"].map(OsString::from);
    Ok(KeeperCommand(
        std::iter::once(own.into_os_string()).chain(words).collect(),
    ))
}

fn note(text: &str) {
    anstream::eprintln!("note: {text}");
}
