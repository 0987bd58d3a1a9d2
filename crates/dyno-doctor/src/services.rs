//! etcd and NATS: the programs that tests start, and servers that variables point to.

use crate::child::{Answer, ask, one_line};
use crate::names;
use crate::surroundings::{Surroundings, in_folders};
use dyno_model::Finding;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Debian puts servers where a user's `PATH` does not always look; nor do the fixtures look
/// only there (`dyno.dynamo.services`).
const SERVER_FOLDERS: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// Either says its version in 0.1 s.
const LIMIT: Duration = Duration::from_secs(3);

/// A server of this network answers within milliseconds.
const ANSWERS: Duration = Duration::from_secs(2);

/// A service that tests start.
#[derive(Debug, Clone, Copy)]
struct Service {
    program: &'static str,
    package: &'static str,
    /// The word before its version.
    costs: &'static str,
}

const SERVICES: [Service; 2] = [
    Service {
        program: "etcd",
        package: "etcd-server",
        costs: "tests of discovery by etcd are skipped",
    },
    Service {
        program: "nats-server",
        package: "nats-server",
        costs: "tests of requests and events over NATS are skipped",
    },
];

/// What is known of the services.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// In the order of [`SERVICES`]: the program, and what it says of its version.
    programs: Vec<Option<(PathBuf, Answer)>>,
    /// Servers of the environment: the variable, the address, and why it does not answer.
    servers: Vec<(&'static str, String, Result<(), String>)>,
    has_apt: bool,
    is_repository: bool,
}

impl Facts {
    pub(crate) fn look(around: &Surroundings) -> Self {
        let find = |program: &str| {
            around
                .program(program)
                .or_else(|| in_folders(OsStr::new(SERVER_FOLDERS), program))
        };
        let version = |service: &Service| {
            let path = find(service.program)?;
            let answer = ask(Command::new(&path).arg("--version"), LIMIT);
            Some((path, answer))
        };
        let text = |name| {
            around
                .variable(name)
                .map(|value| value.to_string_lossy().into_owned())
        };
        let mut servers = Vec::new();
        for address in text("ETCD_ENDPOINTS").iter().flat_map(|all| addresses(all)) {
            servers.push(("ETCD_ENDPOINTS", shown(address), etcd_answers(address)));
        }
        for address in text("NATS_SERVER").iter().flat_map(|all| addresses(all)) {
            servers.push(("NATS_SERVER", shown(address), nats_answers(address)));
        }
        Self {
            programs: SERVICES.iter().map(version).collect(),
            servers,
            has_apt: around.program("apt-get").is_some(),
            is_repository: around.repository().is_some(),
        }
    }
}

/// The addresses of a list, without what is empty.
fn addresses(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|one| !one.is_empty())
}

/// An address without the password that it may hold.
fn shown(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let scheme = if scheme.is_empty() {
        String::new()
    } else {
        format!("{scheme}://")
    };
    one_line(&format!("{scheme}{host}"))
}

pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = SERVICES
        .iter()
        .zip(&facts.programs)
        .map(|(service, found)| program(service, found.as_ref(), facts))
        .collect();
    for (variable, address, answer) in &facts.servers {
        findings.push(match answer {
            Ok(()) => Finding::good(*variable, format!("{address} answers")),
            Err(why) => Finding::costs(
                *variable,
                format!("{address}: {why}"),
                "a Dynamo that is told nothing else waits for it, and its tests fail after that",
            )
            .mended_by(Some(format!("unset {variable}"))),
        });
    }
    findings
}

fn program(service: &Service, found: Option<&(PathBuf, Answer)>, facts: &Facts) -> Finding {
    let Service { program, costs, .. } = service;
    let install = Some(install(service, facts));
    match found {
        None => Finding::costs(*program, "not installed", *costs).mended_by(install),
        Some((path, answer)) => match answer.said().and_then(version_in) {
            Some(version) => Finding::good(*program, format!("{version}, {}", path.display())),
            None => Finding::costs(
                *program,
                format!("{}: {}", path.display(), answer.why_not()),
                "tests that start it fail",
            )
            .mended_by(install),
        },
    }
}

fn install(service: &Service, facts: &Facts) -> String {
    if facts.is_repository {
        "make services".to_owned()
    } else if facts.has_apt {
        format!("sudo apt-get install {}", service.package)
    } else {
        format!("put the program {} on the PATH", service.program)
    }
}

/// `etcd Version: 3.4.23`, `nats-server: v2.9.10`.
fn version_in(text: &str) -> Option<&str> {
    let line = text.lines().next()?;
    let last = line.split_whitespace().last()?.trim_start_matches('v');
    last.starts_with(|letter: char| letter.is_ascii_digit())
        .then_some(last)
}

/// A connection to the host and port of an address, which may have neither.
fn connect(address: &str, usual: u16) -> Result<(TcpStream, String), String> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or_default();
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if host.is_empty() || host.starts_with(':') {
        return Err("it names no host".to_owned());
    }
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let place = if has_port {
        host.to_owned()
    } else {
        format!("{host}:{usual}")
    };
    let places = names::addresses(&place).ok_or("its name is not known within 2 s")?;
    let first = places.first().ok_or("its name is not known here")?;
    let stream =
        TcpStream::connect_timeout(first, ANSWERS).map_err(|error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
            std::io::ErrorKind::TimedOut => {
                format!("it does not answer within {} s", ANSWERS.as_secs())
            }
            _ => one_line(&error.to_string()),
        })?;
    let bounded = stream
        .set_read_timeout(Some(ANSWERS))
        .and(stream.set_write_timeout(Some(ANSWERS)));
    bounded.map_err(|error| error.to_string())?;
    Ok((stream, host.to_owned()))
}

fn first_bytes(stream: &mut TcpStream) -> Result<String, String> {
    let mut bytes = [0; 512];
    match stream.read(&mut bytes) {
        Ok(read) => Ok(String::from_utf8_lossy(&bytes[..read]).into_owned()),
        Err(_) => Err(format!(
            "it takes connections and says nothing within {} s",
            ANSWERS.as_secs()
        )),
    }
}

fn etcd_answers(address: &str) -> Result<(), String> {
    let (mut stream, host) = connect(address, 2379)?;
    if address.starts_with("https://") {
        // That somebody listens is all that can be told without its certificates.
        return Ok(());
    }
    let request = format!("GET /version HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .map_err(|error| error.to_string())?;
    let reply = first_bytes(&mut stream)?;
    let is_etcd = reply.starts_with("HTTP/1.1 200") || reply.starts_with("HTTP/1.0 200");
    is_etcd
        .then_some(())
        .ok_or_else(|| "what listens there is no etcd".to_owned())
}

fn nats_answers(address: &str) -> Result<(), String> {
    let (mut stream, _) = connect(address, 4222)?;
    let greeting = first_bytes(&mut stream)?;
    let is_nats = greeting.starts_with("INFO ");
    is_nats
        .then_some(())
        .ok_or_else(|| "what listens there is no NATS".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::area::Area;
    use crate::on_the_page::assert_on_the_page;
    use dyno_model::FindingState::{Costs, Good};

    fn judged(facts: &Facts) -> Vec<Finding> {
        let findings = judge(facts);
        assert_on_the_page(Area::Services, &findings);
        findings
    }

    fn ended(code: i32, out: &str) -> Answer {
        let (out, err) = (out.to_owned(), String::new());
        Answer::Ended { code, out, err }
    }

    #[test]
    fn a_program_is_there_or_costs() {
        for (answer, state, says) in [
            (
                Some(ended(0, "etcd Version: 3.4.23\nGit SHA: x\n")),
                Good,
                "3.4.23",
            ),
            (
                Some(ended(0, "nats-server: v2.9.10\n")),
                Good,
                "2.9.10, /usr/bin/x",
            ),
            (Some(ended(1, "")), Costs, "exit code 1"),
            (Some(Answer::Late(LIMIT)), Costs, "within 3 s"),
            (None, Costs, "not installed"),
        ] {
            let found = answer.map(|answer| (PathBuf::from("/usr/bin/x"), answer));
            let facts = Facts {
                programs: vec![found],
                has_apt: true,
                ..Facts::default()
            };
            let finding = &judged(&facts)[0];
            assert_eq!(finding.state, state, "{finding:?}");
            assert!(finding.found.contains(says), "{finding:?}");
            let remedy = finding.remedy.as_deref().unwrap_or_default();
            assert!(
                state == Good || remedy == "sudo apt-get install etcd-server",
                "{remedy}"
            );
        }
    }

    #[test]
    fn a_server_that_does_not_answer_costs_and_its_password_is_not_shown() {
        assert_eq!(shown("nats://me:secret@host:4222"), "nats://host:4222");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = std::thread::spawn(move || {
            for greeting in ["INFO {}\r\n", "SSH-2.0\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
                listener
                    .accept()
                    .unwrap()
                    .0
                    .write_all(greeting.as_bytes())
                    .unwrap();
            }
        });
        let address = format!("nats://127.0.0.1:{port}");
        assert_eq!(nats_answers(&address), Ok(()));
        assert!(nats_answers(&address).unwrap_err().contains("no NATS"));
        assert_eq!(etcd_answers(&format!("http://127.0.0.1:{port}")), Ok(()));
        serve.join().unwrap();
        assert_eq!(nats_answers(&address).unwrap_err(), "nobody listens there");
        assert!(etcd_answers("http://").unwrap_err().contains("no host"));
        let facts = Facts {
            servers: vec![(
                "NATS_SERVER",
                address,
                Err("nobody listens there".to_owned()),
            )],
            ..Facts::default()
        };
        assert_eq!(
            judged(&facts)[0].remedy.as_deref(),
            Some("unset NATS_SERVER")
        );
    }
}
