//! Asks pytest: what its environment brings ([`probe`]), and what it collects ([`collect`]).
//!
//! The collector is an interpreter of its own below a keeper, as a run's template is, so it
//! leaves nothing behind however it or its asker ends.

use crate::spawn::{self, Launch, Role, Stdio, Template};
use dyno_model::{Environment, RealCollection, python_text};
use dyno_wire::collector::{FromCollector, ToCollector};
use dyno_wire::{FrameError, PROTOCOL, read_frame, write_frame};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncRead, AsyncReadExt, BufReader};
use tokio::net::UnixStream;

/// Of what pytest prints so much is kept of each stream, from its beginning: enough for
/// the errors of a large collection, and a bound for one that never stops talking.
const OUTPUT: u64 = 16 * 1024 * 1024;

/// Whom to ask.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The `dyno` executable.
    pub dyno: &'a Path,
    /// The interpreter.
    pub python: &'a Path,
    /// The working directory.
    pub cwd: &'a Path,
    /// pytest's arguments. For [`probe`] only those that load plugins count (`-p`), and
    /// `-o pythonpath=` where a plugin lies in the project: the ini file is not read.
    pub args: &'a [OsString],
}

/// What pytest said.
#[derive(Debug)]
pub struct Told<T> {
    /// The answer; absent where pytest did not come so far, which `code`, `stdout` and
    /// `stderr` explain.
    pub answer: Option<T>,
    /// pytest's exit code; 3 where it died.
    pub code: u8,
    /// What it printed.
    pub stdout: String,
    /// What it printed as errors.
    pub stderr: String,
}

/// Why nothing was said.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The keeper did not start.
    #[error("cannot start {what:?}: {source}")]
    Spawn {
        /// The executable.
        what: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A socket or the runtime could not be made.
    #[error("cannot ask pytest: {0}")]
    Runtime(io::Error),
    /// The interpreter cannot be asked: no pytest in it, no dyno, too old a version.
    #[error("{0}")]
    Unfit(String),
    /// What came back is not understood.
    #[error("the collector sent {0}")]
    Garbled(FrameError),
}

/// Asks what the environment brings to collection: see [`Environment`].
pub fn probe(ask: &Ask<'_>) -> Result<Told<Environment>, AskError> {
    let heard = hear(ask, &ToCollector::Probe)?;
    Ok(heard.map(|answers| answers.environment))
}

/// Asks for a collection: see [`RealCollection`]. `import` names the test modules to import,
/// by absolute path; every other one counts as empty. Without it all are imported.
pub fn collect(
    ask: &Ask<'_>,
    import: Option<&[PathBuf]>,
) -> Result<Told<RealCollection>, AskError> {
    let import = import.map(|files| {
        let text = |file: &PathBuf| python_text(file.as_os_str()).into_owned();
        files.iter().map(text).collect()
    });
    let heard = hear(ask, &ToCollector::Collect { import })?;
    Ok(heard.map(|answers| answers.collection))
}

#[derive(Debug, Default)]
struct Answers {
    environment: Option<Environment>,
    collection: Option<RealCollection>,
    code: Option<u8>,
}

impl Told<Answers> {
    fn map<T>(self, of: impl FnOnce(Answers) -> Option<T>) -> Told<T> {
        Told {
            answer: self.answer.and_then(of),
            code: self.code,
            stdout: self.stdout,
            stderr: self.stderr,
        }
    }
}

fn hear(ask: &Ask<'_>, question: &ToCollector) -> Result<Told<Answers>, AskError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(AskError::Runtime)?;
    runtime.block_on(converse(ask, question))
}

async fn converse(ask: &Ask<'_>, question: &ToCollector) -> Result<Told<Answers>, AskError> {
    let Template {
        mut keeper,
        socket,
        lifeline,
    } = spawn::spawn(&Launch {
        role: Role::Collector,
        dyno: ask.dyno.to_path_buf(),
        python: ask.python.to_path_buf(),
        cwd: Some(ask.cwd.to_path_buf()),
        pytest_args: ask.args,
        run_folder: None,
        models: None,
        stdio: Stdio::Kept,
    })
    .map_err(|source| AskError::Spawn {
        what: ask.dyno.to_path_buf(),
        source,
    })?;
    let (stdout, stderr) = (keeper.stdout.take(), keeper.stderr.take());
    let talk = async {
        let answers = talk(socket, question).await;
        // Whatever it started and left is killed with it, and so the pipes close.
        drop(lifeline);
        let _ = keeper.wait().await;
        answers
    };
    let (answers, stdout, stderr) = tokio::join!(talk, read_text(stdout), read_text(stderr));
    let answers = answers?;
    Ok(Told {
        code: answers.code.unwrap_or(3),
        answer: Some(answers),
        stdout,
        stderr,
    })
}

async fn talk(
    socket: std::os::unix::net::UnixStream,
    question: &ToCollector,
) -> Result<Answers, AskError> {
    socket.set_nonblocking(true).map_err(AskError::Runtime)?;
    let socket = UnixStream::from_std(socket).map_err(AskError::Runtime)?;
    let (read, mut write) = socket.into_split();
    let mut read = BufReader::new(read);
    let mut answers = Answers::default();
    // A collector that is gone is noticed by reading.
    let _ = write_frame(&mut write, question).await;
    loop {
        match read_frame(&mut read).await {
            Ok(Some(FromCollector::Hello { protocol, .. })) if protocol != PROTOCOL => {
                return Err(AskError::Unfit(format!(
                    "the dyno package of this Python speaks version {protocol} of the protocol, \
                     this command version {PROTOCOL}\nhint: install both from one wheel"
                )));
            }
            Ok(Some(FromCollector::Hello { .. })) => {}
            Ok(Some(FromCollector::Unfit { message })) => return Err(AskError::Unfit(message)),
            Ok(Some(FromCollector::Probed { environment })) => {
                answers.environment = Some(*environment);
            }
            Ok(Some(FromCollector::Collected { collection })) => {
                answers.collection = Some(*collection);
            }
            Ok(Some(FromCollector::Done { code })) => {
                answers.code = Some(code);
                return Ok(answers);
            }
            // It died: what it said before is not the whole.
            Ok(None) | Err(FrameError::Io(_)) => return Ok(Answers::default()),
            Err(error) => return Err(AskError::Garbled(error)),
        }
    }
}

/// Reads a stream to its end, and keeps its beginning.
async fn read_text(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else {
        return String::new();
    };
    let mut kept = Vec::new();
    let _ = (&mut stream).take(OUTPUT).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}
