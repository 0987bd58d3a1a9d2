//! Real sessions with a real agent, on every road to their end. Run as `session agent FD`
//! this program is the agent; run otherwise it is the tests.

use dyno_model::ProcessExit;
use dyno_sandbox::Process;
use dyno_wire::PROTOCOL;
use dyno_wire::agent::{
    Answer, Call, EndedBy, FailureKind, HttpRequest, Order, Probe, ProcessId, Reply, Request,
    ScopeId, Stdin, Text,
};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;
use tempfile::TempDir;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    if args.next().is_some_and(|first| first == "agent") {
        let fd = args.next().unwrap().parse().unwrap();
        return match dyno_agent::serve(fd) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    // Before there is any other thread, which would get it.
    // SAFETY: the set outlives the call, and the one before is not wanted.
    unsafe {
        let set = blocked();
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
    let tests: [(&str, fn()); 15] = [
        ("the_socket_s_end_kills_all", the_socket_s_end_kills_all),
        ("the_client_s_death_kills_all", the_client_s_death_kills_all),
        ("sigterm_kills_all", sigterm_kills_all),
        (
            "broken_messages_end_the_session",
            broken_messages_end_the_session,
        ),
        (
            "a_bad_first_message_ends_the_session",
            a_bad_first_message_ends_the_session,
        ),
        (
            "a_killed_agent_takes_its_processes_along",
            a_killed_agent_takes_its_processes_along,
        ),
        ("a_scope_ends_newest_first", a_scope_ends_newest_first),
        (
            "strays_go_with_the_last_process",
            strays_go_with_the_last_process,
        ),
        ("calls_overtake_each_other", calls_overtake_each_other),
        (
            "an_http_probe_says_what_it_saw",
            an_http_probe_says_what_it_saw,
        ),
        ("what_is_not_there_is_refused", what_is_not_there_is_refused),
        (
            "a_grpc_server_says_that_it_serves",
            a_grpc_server_says_that_it_serves,
        ),
        ("a_huge_call_is_not_read", a_huge_call_is_not_read),
        (
            "a_client_that_does_not_read_is_not_read",
            a_client_that_does_not_read_is_not_read,
        ),
        (
            "a_guarded_end_rings_and_is_told_once",
            a_guarded_end_rings_and_is_told_once,
        ),
    ];
    for (name, test) in tests {
        test();
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

/// The signals that wait to be looked for.
fn blocked() -> libc::sigset_t {
    // SAFETY: all zeros is a valid value of this struct of numbers, and an empty set; the set
    // outlives the call.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&raw mut set, Signal::URG.as_raw());
        set
    }
}

/// The client's side.
struct Client {
    agent: Child,
    socket: UnixStream,
    folder: TempDir,
    last: u64,
}

impl Client {
    /// Starts an agent and says nothing.
    fn silent() -> Self {
        let (socket, theirs) = UnixStream::pair().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        let number = theirs.as_raw_fd();
        command.args(["agent", &number.to_string()]);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        // SAFETY: the descriptor is open, and the call is async-signal-safe.
        unsafe {
            command.pre_exec(move || {
                fcntl_setfd(BorrowedFd::borrow_raw(number), FdFlags::empty())?;
                Ok(())
            })
        };
        let agent = command.spawn().unwrap();
        let wait = Some(Duration::from_secs(60));
        socket.set_read_timeout(wait).unwrap();
        Self {
            agent,
            socket,
            folder: tempfile::tempdir().unwrap(),
            last: 0,
        }
    }

    /// Starts an agent that serves `client`.
    fn of(client: u32) -> Self {
        let mut new = Self::silent();
        let protocol = PROTOCOL;
        let hello = new.call(Request::Hello {
            protocol,
            client,
            alarm: None,
        });
        assert!(matches!(hello, Answer::Welcome { .. }), "{hello:?}");
        new
    }

    fn new() -> Self {
        Self::of(std::process::id())
    }

    fn send(&mut self, request: Request) -> u64 {
        self.last += 1;
        let id = self.last;
        let frame = dyno_wire::encode(&Call { id, request }).unwrap();
        self.socket.write_all(&frame).unwrap();
        id
    }

    fn reply(&mut self) -> Reply {
        let mut prefix = [0; 4];
        self.socket.read_exact(&mut prefix).unwrap();
        let mut body = vec![0; u32::from_be_bytes(prefix) as usize];
        self.socket.read_exact(&mut body).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    fn call(&mut self, request: Request) -> Answer {
        let id = self.send(request);
        let reply = self.reply();
        assert_eq!(reply.id, id);
        reply.answer
    }

    fn scope(&mut self) -> ScopeId {
        let name = "a test".to_owned();
        match self.call(Request::OpenScope { name }) {
            Answer::Scope { scope } => scope,
            other => panic!("{other:?}"),
        }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    fn start(&mut self, scope: ScopeId, name: &str, script: &str) -> (ProcessId, Pid) {
        self.start_as(scope, name, script, false)
    }

    fn start_guarded(&mut self, scope: ScopeId, name: &str, script: &str) -> (ProcessId, Pid) {
        self.start_as(scope, name, script, true)
    }

    fn start_as(
        &mut self,
        scope: ScopeId,
        name: &str,
        script: &str,
        guard: bool,
    ) -> (ProcessId, Pid) {
        let path = std::env::var("PATH").unwrap();
        let order = Order {
            name: name.to_owned(),
            argv: ["sh", "-c", script].map(Text::from).to_vec(),
            env: vec![("PATH".into(), path.as_str().into())],
            cwd: "/".into(),
            log: self.log(name).to_str().unwrap().into(),
            log_limit: 1 << 30,
            grace: Duration::from_millis(300),
            stdin: Stdin::Null,
            guard,
            secrets: Vec::new(),
        };
        let answer = self.call(Request::Start { scope, order });
        match answer {
            Answer::Started { process, pid } => {
                let pid = i32::try_from(pid).unwrap();
                (process, Pid::from_raw(pid).unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    /// Starts processes that will not go by themselves; all their ids.
    fn family(&mut self) -> Vec<Pid> {
        let scope = self.scope();
        let (process, _) = self.start(scope, "family", FAMILY);
        let line = self.call(Request::AwaitLog {
            process,
            pattern: "^4 ".to_owned(),
            from: 0,
            timeout: Duration::from_secs(30),
        });
        assert!(matches!(line, Answer::Line { .. }), "{line:?}");
        let log = std::fs::read_to_string(self.log("family")).unwrap();
        let ids = log.lines().map(|line| {
            let id = line.split(' ').nth(1).unwrap();
            Pid::from_raw(id.parse().unwrap()).unwrap()
        });
        let ids: Vec<Pid> = ids.collect();
        assert_eq!(ids.len(), 4);
        ids
    }

    /// What the agent wrote to stderr, once it has ended, and whether it ended well.
    fn end(mut self) -> (String, bool) {
        let mut said = String::new();
        let mut stderr = self.agent.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        (said, self.agent.wait().unwrap().success())
    }
}

/// Four processes, each says its number and its id, one after the other: one that ignores
/// SIGTERM, its child that does too, a daemon that left the session and has no
/// environment, and a stopped one.
const FAMILY: &str = "trap '' TERM; echo 1 $$; sh -c '
    echo 2 $$
    (setsid env -i sh -c \"
        echo 3 \\$\\$
        exec sleep 1000\" &)
    sh -c \"while ! grep -q ^3 /proc/self/fd/1; do :; done
        echo 4 \\$\\$; kill -STOP \\$\\$; exec sleep 1000\" &
    wait'";

fn assert_gone(pids: &[Pid]) {
    for &pid in pids {
        assert!(Process::read(pid).is_none(), "{pid:?} is left");
    }
}

fn the_socket_s_end_kills_all() {
    let mut client = Client::new();
    let pids = client.family();
    client.socket.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(client.end(), (String::new(), true));
    assert_gone(&pids);
}

fn the_client_s_death_kills_all() {
    let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
    let mut client = Client::of(other.id());
    let pids = client.family();
    // The socket stays open, as it does where a test's forked child has it.
    other.kill().unwrap();
    other.wait().unwrap();
    let socket = client.socket.try_clone().unwrap();
    assert_eq!(client.end(), (String::new(), true));
    assert_gone(&pids);
    drop(socket);
}

fn sigterm_kills_all() {
    let mut client = Client::new();
    let pids = client.family();
    let agent = Pid::from_child(&client.agent);
    for signal in [Signal::INT, Signal::HUP, Signal::QUIT] {
        kill_process(agent, signal).unwrap();
    }
    client.scope();
    kill_process(agent, Signal::TERM).unwrap();
    assert_eq!(client.end(), (String::new(), true));
    assert_gone(&pids);
}

fn broken_messages_end_the_session() {
    let cases: [(&[u8], &str); 4] = [
        (b"GET / HTTP/1.1\r\n\r\n", "a frame of 1195725856 bytes"),
        (
            &[0, 0, 0, 3, b'{', b'{', b'{'],
            "a message that is not understood",
        ),
        (&[0xff; 64], "a frame of 4294967295 bytes"),
        (b"\0\0\0\x12{\"type\":\"destroy\"}", "missing field `id`"),
    ];
    for (bytes, why) in cases {
        let mut client = Client::new();
        let pids = client.family();
        client.socket.write_all(bytes).unwrap();
        let reply = client.reply();
        let Answer::Failed(failure) = reply.answer else {
            panic!("{reply:?}");
        };
        assert_eq!((reply.id, failure.kind), (0, FailureKind::Fatal));
        assert!(failure.message.contains(why), "{}", failure.message);
        let (said, well) = client.end();
        assert!(said.contains(why) && !said.contains("panicked"), "{said}");
        assert!(!well);
        assert_gone(&pids);
    }
}

fn a_bad_first_message_ends_the_session() {
    let name = String::new();
    for (first, why) in [
        (
            Request::OpenScope { name },
            "the first message must be hello",
        ),
        (
            Request::Hello {
                protocol: 999,
                client: 1,
                alarm: None,
            },
            "the client speaks protocol 999, this dyno speaks ",
        ),
        (
            Request::Hello {
                protocol: PROTOCOL,
                client: 0,
                alarm: None,
            },
            "no process has the id 0",
        ),
    ] {
        let mut client = Client::silent();
        client.send(first);
        let reply = client.reply();
        assert!(format!("{reply:?}").contains(why), "{reply:?}");
        assert!(!client.end().1);
    }
}

fn a_killed_agent_takes_its_processes_along() {
    let mut client = Client::new();
    let scope = client.scope();
    let (_, pid) = client.start(scope, "plain", "exec sleep 1000");
    let process = Process::read(pid).unwrap();
    let died = process.open().unwrap();
    client.agent.kill().unwrap();
    client.agent.wait().unwrap();
    let mut polled = [rustix::event::PollFd::new(
        &died,
        rustix::event::PollFlags::IN,
    )];
    let bound = rustix::event::Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    assert_eq!(rustix::event::poll(&mut polled, Some(&bound)), Ok(1));
}

fn a_scope_ends_newest_first() {
    let mut client = Client::new();
    let scope = client.scope();
    client.start(scope, "ends", "exit 3");
    let (stubborn, _) = client.start(
        scope,
        "stubborn",
        "trap '' TERM; echo up; while :; do sleep 0.01; done",
    );
    client.call(Request::AwaitLog {
        process: stubborn,
        pattern: "up".to_owned(),
        from: 0,
        timeout: Duration::from_secs(30),
    });
    let (_, pid) = client.start(scope, "polite", "exec sleep 1000");
    let answer = client.call(Request::CloseScope { scope });
    let Answer::Closed { ended } = answer else {
        panic!("{answer:?}");
    };
    let ended: Vec<_> = ended
        .iter()
        .map(|one| (one.name.as_str(), one.exit, one.by))
        .collect();
    assert_eq!(
        ended,
        [
            ("polite", ProcessExit::Signal(15), EndedBy::Term),
            ("stubborn", ProcessExit::Signal(9), EndedBy::Kill),
            ("ends", ProcessExit::Code(3), EndedBy::Itself),
        ]
    );
    assert_gone(&[pid]);
}

/// A daemon that left its session and cleaned its environment belongs to nobody that
/// could be named. It goes when no process is left that may have wanted it.
fn strays_go_with_the_last_process() {
    let mut client = Client::new();
    let (first, second) = (client.scope(), client.scope());
    client.start(first, "other", "exec sleep 1000");
    let (daemon, _) = client.start(
        second,
        "daemon",
        "(setsid env -i sh -c 'echo id $$; exec sleep 1000' &) ; exec sleep 1000",
    );
    let answer = client.call(Request::AwaitLog {
        process: daemon,
        pattern: "^id ".to_owned(),
        from: 0,
        timeout: Duration::from_secs(30),
    });
    let Answer::Line { line, .. } = answer else {
        panic!("{answer:?}");
    };
    let stray = Pid::from_raw(line[3..].parse().unwrap()).unwrap();
    client.call(Request::CloseScope { scope: second });
    assert!(
        Process::read(stray).is_some(),
        "it may be of use to the other"
    );
    client.call(Request::CloseScope { scope: first });
    assert_gone(&[stray]);
}

fn calls_overtake_each_other() {
    let mut client = Client::new();
    let scope = client.scope();
    let (process, _) = client.start(scope, "sleeper", "exec sleep 1000");
    let wait = client.send(Request::Wait {
        process,
        timeout: Duration::MAX,
    });
    let status = client.send(Request::Status { process });
    let stop = client.send(Request::Stop {
        process,
        grace: None,
    });
    assert_eq!(client.reply().id, status);
    let exited = Answer::Exited {
        exit: ProcessExit::Signal(15),
    };
    let mut last = [client.reply(), client.reply()];
    last.sort_by_key(|reply| reply.id);
    assert_eq!(last.each_ref().map(|reply| reply.id), [wait, stop]);
    assert!(last.iter().all(|reply| reply.answer == exited), "{last:?}");
}

/// Answers every connection with these bytes and closes it.
fn serve(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
        }
    });
    port
}

fn an_http_probe_says_what_it_saw() {
    let mut client = Client::new();
    let scope = client.scope();
    let (process, _) = client.start(scope, "sleeper", "exec sleep 1000");
    let cases: [(&[u8], &str); 5] = [
        (
            b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n",
            "status 503, not [200, 204]",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nempty",
            "status 200, and nothing in its body (5 bytes) matches \"mod.l\"",
        ),
        (b"SSH-2.0-OpenSSH\r\n", "no proper answer ("),
        (b"", "no proper answer ("),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nmodel",
            "no proper answer (",
        ),
    ];
    let probe = |port| Probe::Http {
        request: HttpRequest {
            url: format!("http://localhost:{port}/v1/models?x=y"),
            method: "POST".to_owned(),
            headers: vec![("x-test".to_owned(), "1".to_owned())],
            body: Some("{}".into()),
        },
        status: vec![200, 204],
        body_matches: Some("mod.l".to_owned()),
    };
    for (bytes, why) in cases {
        let answer = client.call(Request::AwaitReady {
            process,
            probes: vec![probe(serve(bytes))],
            is_all: true,
            timeout: Duration::from_millis(200),
        });
        let Answer::Failed(failure) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(failure.kind, FailureKind::Timeout);
        assert!(failure.message.contains(why), "{}", failure.message);
    }
    let good = serve(b"HTTP/1.1 200 OK\r\n\r\nthe\nmodel");
    let answer = client.call(Request::AwaitReady {
        process,
        probes: vec![probe(good)],
        is_all: true,
        timeout: Duration::from_secs(30),
    });
    let seen = vec!["status 200".to_owned()];
    assert_eq!(answer, Answer::Ready { seen });
}

fn what_is_not_there_is_refused() {
    let mut client = Client::new();
    let scope = client.scope();
    client.call(Request::CloseScope { scope });
    for request in [
        Request::CloseScope { scope },
        Request::LeasePorts { scope, count: 1 },
        Request::Status {
            process: ProcessId(99),
        },
    ] {
        let Answer::Failed(failure) = client.call(request) else {
            panic!("it was done");
        };
        assert_eq!(failure.kind, FailureKind::Request);
        assert!(failure.message.ends_with("is not open in this session"));
    }
    client
        .socket
        .write_all(b"\0\0\0\x19{\"id\":9,\"type\":\"destroy\"}")
        .unwrap();
    let reply = client.reply();
    assert!(
        format!("{reply:?}").contains("unknown variant `destroy`"),
        "{reply:?}"
    );
    assert_eq!(reply.id, 9);
    client.scope();
}

/// Serves the health protocol on a port of its own until the process ends.
fn serve_health() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (reporter, service) = tonic_health::server::health_reporter();
            let not = tonic_health::ServingStatus::NotServing;
            reporter.set_service_status("late", not).await;
            let yes = tonic_health::ServingStatus::Serving;
            reporter.set_service_status("dynamo", yes).await;
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let incoming = tonic::transport::server::TcpIncoming::from(listener);
            let server = tonic::transport::Server::builder().add_service(service);
            server.serve_with_incoming(incoming).await.unwrap();
        });
    });
    port
}

fn a_grpc_server_says_that_it_serves() {
    let mut client = Client::new();
    let scope = client.scope();
    let (process, _) = client.start(scope, "any", "exec sleep 1000");
    let port = serve_health();
    for (service, said) in [
        ("", "SERVING"),
        ("dynamo", "SERVING"),
        ("late", "grpc 127.0.0.1:PORT/late is not met (NOT_SERVING)"),
        ("other", "the server knows no service \"other\""),
    ] {
        let answer = client.call(Request::AwaitReady {
            process,
            probes: vec![Probe::Grpc {
                host: "127.0.0.1".to_owned(),
                port,
                service: service.to_owned(),
            }],
            is_all: true,
            timeout: Duration::from_secs(if said == "SERVING" { 60 } else { 1 }),
        });
        let seen = match answer {
            Answer::Ready { seen } => seen[0].clone(),
            Answer::Failed(failure) => failure.message,
            other => panic!("{other:?}"),
        };
        let said = said.replace("PORT", &port.to_string());
        assert!(seen.contains(&said), "{service}: {seen}");
    }
}

fn a_huge_call_is_not_read() {
    let mut client = Client::new();
    // A length alone: nothing of it ever comes.
    client
        .socket
        .write_all(&(64_u32 << 20).to_be_bytes())
        .unwrap();
    let reply = client.reply();
    let why = format!(
        "a frame of {} bytes, where {} is the most",
        64 << 20,
        16 << 20
    );
    assert!(format!("{reply:?}").contains(&why), "{reply:?}");
    assert!(!client.end().1);
}

fn a_guarded_end_rings_and_is_told_once() {
    let rang = Signal::URG.as_raw();
    let mut client = Client::silent();
    let hello = client.call(Request::Hello {
        protocol: PROTOCOL,
        client: std::process::id(),
        alarm: Some(rang),
    });
    assert!(matches!(hello, Answer::Welcome { .. }), "{hello:?}");
    let scope = client.scope();
    let (process, pid) = client.start_guarded(scope, "server", "echo last words; exec sleep 1000");
    let fallen = |client: &mut Client| match client.call(Request::Fallen) {
        Answer::Fallen { deaths } => deaths,
        other => panic!("{other:?}"),
    };
    let ready = client.call(Request::AwaitReady {
        process,
        probes: vec![Probe::Log {
            pattern: "last".to_owned(),
        }],
        is_all: true,
        timeout: Duration::from_secs(30),
    });
    assert!(matches!(ready, Answer::Ready { .. }), "{ready:?}");
    assert_eq!(fallen(&mut client), []);
    kill_process(pid, Signal::KILL).unwrap();
    let late = libc::timespec {
        tv_sec: 30,
        tv_nsec: 0,
    };
    let set = blocked();
    let none = std::ptr::null_mut();
    // SAFETY: the set and the time outlive the call, and nothing is wanted of the signal.
    let signal = unsafe { libc::sigtimedwait(&raw const set, none, &raw const late) };
    assert_eq!(signal, rang);
    let deaths = fallen(&mut client);
    assert_eq!(deaths.len(), 1);
    assert_eq!(deaths[0].exit, ProcessExit::Signal(9));
    assert_eq!((deaths[0].process, deaths[0].scope), (process, scope));
    assert_eq!(deaths[0].tail, "last words");
    assert_eq!(fallen(&mut client), []);
}

fn a_client_that_does_not_read_is_not_read() {
    let mut client = Client::new();
    let scope = client.scope();
    let (process, pid) = client.start(scope, "any", "exec sleep 1000");
    client.socket.set_nonblocking(true).unwrap();
    let request = Request::Status { process };
    let frame = dyno_wire::encode(&Call { id: 9, request }).unwrap();
    let mut sent = 0;
    // The sockets' buffers and as many calls as may be on their way fill up, and then no more
    // is taken: else this would go on.
    let mut refused_in_a_row = 0;
    while refused_in_a_row < 100 {
        if let Ok(written) = client.socket.write(&frame) {
            assert_eq!(written, frame.len());
            sent += 1;
            refused_in_a_row = 0;
            assert!(sent < 1_000_000);
        } else {
            refused_in_a_row += 1;
            std::thread::yield_now();
        }
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", client.agent.id())).unwrap();
    let resident = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = resident.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kib < 100 * 1024, "{resident} after {sent} calls");
    client.socket.shutdown(Shutdown::Both).unwrap();
    assert!(client.end().1);
    assert_gone(&[pid]);
}
