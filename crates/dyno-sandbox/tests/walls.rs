//! Real sandboxes. Run as `walls inside FOLDER WALLS SCRIPT` this program builds one, runs the
//! script in it and ends as the script does. With `walls forbid LIMIT ...` it does so in a sandbox
//! whose kernel has been told to make no more of one kind. Run otherwise it is the tests.

use dyno_sandbox::walls::{Blueprint, Wall, build, build_what_can_be};
use rustix::process::{WaitOptions, geteuid, waitpid};
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};

type Test = fn(Who);

/// Who has no rights at all, on any Linux.
const NOBODY: u32 = 65534;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match args.as_slice() {
        [mode, folder, walls, script] if mode == "inside" => {
            return inside(Path::new(folder), walls.to_str().unwrap(), script);
        }
        [mode, limit, folder, walls, script] if mode == "forbid" => {
            let folder = Path::new(folder);
            return forbid(limit, folder, walls.to_str().unwrap(), script);
        }
        _ => {}
    }
    let tests: [(&str, Test); 6] = [
        ("a_world_of_its_own", a_world_of_its_own),
        (
            "what_is_shared_is_what_it_is_outside",
            what_is_shared_is_what_it_is_outside,
        ),
        (
            "the_same_ports_and_names_side_by_side",
            the_same_ports_and_names_side_by_side,
        ),
        ("all_die_with_the_first", all_die_with_the_first),
        (
            "the_first_dies_with_its_parent",
            the_first_dies_with_its_parent,
        ),
        ("what_is_forbidden_is_named", what_is_forbidden_is_named),
    ];
    // Some containers allow none; what is done then is tested where it is done.
    let first = Sandbox::new(Who::Own).command("true").output().unwrap();
    let missing = String::from_utf8_lossy(&first.stdout).into_owned();
    if !missing.is_empty() {
        println!("not tested, because this machine lacks walls:\n{missing}");
        return ExitCode::SUCCESS;
    }
    for (name, test) in tests {
        for who in [Who::Own, Who::Nobody] {
            if who == Who::Nobody && !geteuid().is_root() {
                continue;
            }
            test(who);
            println!("test {name} ({who:?}) ... ok");
        }
    }
    ExitCode::SUCCESS
}

/// Builds the walls, runs the script behind them, says which are missing.
fn inside(folder: &Path, walls: &str, script: &OsString) -> ExitCode {
    let blueprint = Blueprint {
        walls: walls.split(',').map(|name| name.parse().unwrap()).collect(),
        folder: folder.to_owned(),
        shared: vec![
            folder.join("shared"),
            folder.join("file"),
            "/tmp/not there".into(),
        ],
    };
    let first = || {
        let ended = Command::new("sh").arg("-c").arg(script).status().unwrap();
        u8::try_from(ended.code().unwrap_or(99)).unwrap()
    };
    let (init, missing) = build_what_can_be(&blueprint, first);
    for one in &missing {
        println!("missing {one}");
    }
    let Some(init) = init else {
        return ExitCode::from(98);
    };
    let (_, status) = waitpid(Some(init.pid), WaitOptions::empty())
        .unwrap()
        .unwrap();
    ExitCode::from(u8::try_from(status.exit_status().unwrap_or(97)).unwrap())
}

/// As [`inside`], where `/proc/sys/user/LIMIT` is 0.
fn forbid(limit: &OsString, folder: &Path, walls: &str, script: &OsString) -> ExitCode {
    let blueprint = Blueprint {
        walls: vec![Wall::Mount],
        folder: folder.join("outer"),
        shared: vec![folder.to_owned()],
    };
    std::fs::create_dir_all(&blueprint.folder).unwrap();
    let first = || {
        std::fs::write(Path::new("/proc/sys/user").join(limit), "0").unwrap();
        let code = inside(folder, walls, script);
        std::process::exit(i32::from(code == ExitCode::from(98)))
    };
    let init = build(&blueprint, first).unwrap();
    let (_, status) = waitpid(Some(init.pid), WaitOptions::empty())
        .unwrap()
        .unwrap();
    ExitCode::from(u8::try_from(status.exit_status().unwrap_or(97)).unwrap())
}

/// On whose behalf a sandbox is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Own,
    Nobody,
}

struct Sandbox {
    folder: tempfile::TempDir,
    who: Who,
}

impl Sandbox {
    fn new(who: Who) -> Self {
        // Below /tmp on purpose: that is where it could hide itself.
        let folder = tempfile::Builder::new()
            .prefix("walls")
            .tempdir_in("/tmp")
            .unwrap();
        let sandbox = Self { folder, who };
        std::fs::create_dir(sandbox.path("shared")).unwrap();
        std::fs::write(sandbox.path("file"), "outside").unwrap();
        if who == Who::Nobody {
            for path in ["", "shared", "file"] {
                let all = std::fs::Permissions::from_mode(0o777);
                std::fs::set_permissions(sandbox.path(path), all).unwrap();
            }
        }
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, script: &str) -> Command {
        let walls: Vec<String> = Wall::ALL.iter().map(ToString::to_string).collect();
        let mut command = Command::new("/proc/self/exe");
        command
            .arg("inside")
            .arg(self.folder.path())
            .arg(walls.join(","))
            .arg(script);
        command.current_dir("/");
        if self.who == Who::Nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn run(&self, script: &str) -> String {
        said(&self.command(script).output().unwrap())
    }
}

fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{:?}: {text}{errors}",
        output.status
    );
    text
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).spawn().unwrap()
}

fn a_world_of_its_own(who: Who) {
    let sandbox = Sandbox::new(who);
    let outside = [NOBODY, 0][usize::from(who == Who::Own && geteuid().is_root())];
    let text = sandbox.run(
        "set -e; id -u; echo /proc/[0-9]*; ls /tmp /dev/shm; \
         echo here > /tmp/walls-x; echo here > /dev/shm/walls-x; cat /proc/net/dev /proc/net/route; \
         getent hosts $(hostname)",
    );
    let lines: Vec<&str> = text.lines().collect();
    if who == Who::Nobody || outside == 0 {
        assert_eq!(lines[0], outside.to_string(), "it is who it is outside");
    }
    assert_eq!(lines[1], "/proc/1 /proc/2", "{text}");
    for device in ["lo:", "dyno0:", "dyno1:"] {
        assert!(text.contains(device), "{text}");
    }
    assert!(text.contains("dyno0\t00000000"), "a default route: {text}");
    assert_eq!(
        std::fs::read_to_string(sandbox.path("tmp/walls-x")).unwrap(),
        "here\n"
    );
    assert!(!Path::new("/dev/shm/walls-x").exists() && !Path::new("/tmp/walls-x").exists());
}

fn what_is_shared_is_what_it_is_outside(who: Who) {
    let sandbox = Sandbox::new(who);
    let own = sandbox.folder.path().display().to_string();
    let text = sandbox.run(&format!(
        "set -e; cat {own}/file; echo inside > {own}/file; echo new > {own}/shared/new; \
         ls {own} | tr '\\n' ' '"
    ));
    assert_eq!(text, "outsidefile shared ");
    assert_eq!(
        std::fs::read_to_string(sandbox.path("file")).unwrap(),
        "inside\n"
    );
    assert_eq!(
        std::fs::read_to_string(sandbox.path("shared/new")).unwrap(),
        "new\n"
    );
}

/// Each holds the port, the names and a process id until all have them.
fn the_same_ports_and_names_side_by_side(who: Who) {
    let script = "set -e; echo $$ > /dev/shm/x; hostname other 2>/dev/null || true; \
         exec python3 -c 'import socket; s = socket.create_server((\"127.0.0.1\", 8000)); \
         t = socket.create_server((\"0.0.0.0\", 8001)); u = socket.socket(socket.AF_UNIX); \
         u.bind(\"\\0name\"); open(\"/tmp/x\", \"x\"); print(\"up\", flush=True); input()'";
    let sandboxes: Vec<Sandbox> = (0..8).map(|_| Sandbox::new(who)).collect();
    let mut running: Vec<Child> = sandboxes
        .iter()
        .map(|sandbox| {
            let mut command = sandbox.command(script);
            command.stdin(Stdio::piped());
            start(command)
        })
        .collect();
    for child in &mut running {
        assert_eq!(read_line(child), "up");
    }
    for mut child in running {
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"\n").unwrap();
        assert!(child.wait().unwrap().success());
    }
}

fn read_line(child: &mut Child) -> String {
    use std::io::Read;
    let mut line = Vec::new();
    let mut byte = [0];
    let out = child.stdout.as_mut().unwrap();
    while out.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

/// What they hold open says whether they live: the end of their output is the end of the last.
fn all_die_with_the_first(who: Who) {
    let sandbox = Sandbox::new(who);
    let text = sandbox.run(
        "(setsid env -i sleep 1000 &); (setsid sh -c 'trap \"\" TERM INT HUP; sleep 1000' &)
         sh -c 'kill -STOP $$' & i=0; while [ $i -lt 200 ]; do i=$((i+1)); sleep 1000 & done
         echo done",
    );
    assert_eq!(text, "done\n");
}

fn the_first_dies_with_its_parent(who: Who) {
    let sandbox = Sandbox::new(who);
    let mut child = start(sandbox.command("(setsid sleep 1000 &); echo up; sleep 1000"));
    assert_eq!(read_line(&mut child), "up");
    child.kill().unwrap();
    assert_eq!(read_line(&mut child), "", "the end of the output");
    child.wait().unwrap();
}

fn what_is_forbidden_is_named(who: Who) {
    if who == Who::Own && geteuid().is_root() {
        // The limits of root's are the machine's.
        return;
    }
    let look = |limit: &str, script: &str| {
        let sandbox = Sandbox::new(who);
        let inside = sandbox.command(script);
        let mut command = Command::new("/proc/self/exe");
        command
            .args(["forbid", limit])
            .args(inside.get_args().skip(1))
            .current_dir("/");
        if who == Who::Nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let text = look(
        "max_net_namespaces",
        "ls /tmp | wc -l; wc -l < /proc/net/dev",
    );
    let (missing, rest) = text.split_once('\n').unwrap();
    let expected = "missing net: make a process in a namespace of its own: No space left on device";
    assert!(missing.starts_with(expected), "{text}");
    assert!(rest.starts_with("1\n"), "the other walls stand: {text}");
    let text = look("max_mnt_namespaces", "echo /proc/[0-9]* | wc -w");
    assert!(
        text.contains("missing pid: needs mount\nmissing mount: make a process"),
        "{text}"
    );
    let text = look("max_user_namespaces", "true");
    assert_eq!(text.matches("missing ").count(), Wall::ALL.len(), "{text}");
}
