//! The loopback, the name `localhost`, and ports.

use super::text;
use crate::names;
use dyno_model::Finding;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;

/// Leases are of ports above this that the kernel does not hand out itself, and where there are
/// few of those, of all above it (`crates/dyno-agent/src/lease/ports.rs`).
const FIRST: u16 = 10_000;
const ENOUGH_OUTSIDE: usize = 256;

/// Eight sealed units at once lease tens each; a stress test opens thousands of connections,
/// and each keeps its port for a minute after (`TIME_WAIT`).
const EPHEMERAL: usize = 10_000;

/// What is known of the network.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// Why no port of 127.0.0.1 can be bound.
    loopback: Option<String>,
    /// What `localhost` is: addresses, none, or no answer in time.
    localhost: Option<Vec<IpAddr>>,
    ephemeral: Option<(u16, u16)>,
    /// Ports of TCP that are taken.
    taken: usize,
}

impl Facts {
    pub(super) fn look() -> Self {
        let range = text("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
        let mut ends = range.split_whitespace().map(str::parse);
        let ephemeral = match (ends.next(), ends.next()) {
            (Some(Ok(first)), Some(Ok(last))) => Some((first, last)),
            _ => None,
        };
        let sockets =
            |file: &str| text(file).map_or(0, |table| table.lines().count().saturating_sub(1));
        Self {
            loopback: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .err()
                .map(|error| error.to_string()),
            localhost: localhost(),
            ephemeral,
            taken: sockets("/proc/net/tcp") + sockets("/proc/net/tcp6"),
        }
    }
}

fn localhost() -> Option<Vec<IpAddr>> {
    let found = names::addresses("localhost:0")?;
    Some(found.iter().map(SocketAddr::ip).collect())
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![match &facts.loopback {
        None => Finding::good("loopback", "127.0.0.1 is up"),
        Some(why) => Finding::costs(
            "loopback",
            why.as_str(),
            "no server of a test can be reached",
        )
        .mended_by(Some("sudo ip link set lo up".to_owned())),
    }];
    let hosts = Some("echo '127.0.0.1 localhost' | sudo tee -a /etc/hosts".to_owned());
    let lost = "tests that say localhost fail, or wait for a name server each time";
    findings.push(match &facts.localhost {
        None => Finding::costs("localhost", "its address is not known within 2 s", lost)
            .mended_by(hosts),
        Some(all) if !all.iter().any(IpAddr::is_loopback) => {
            Finding::costs("localhost", "it has no address", lost).mended_by(hosts)
        }
        Some(all) => {
            let mut all: Vec<String> = all.iter().map(ToString::to_string).collect();
            all.dedup();
            Finding::good("localhost", all.join(", "))
        }
    });
    findings.extend(
        facts
            .ephemeral
            .map(|range| ports(range.0..=range.1, facts.taken)),
    );
    findings
}

fn ports(ephemeral: RangeInclusive<u16>, taken: usize) -> Finding {
    let name = "ports";
    let handed = ephemeral.len();
    let leased = (FIRST..=u16::MAX)
        .filter(|port| !ephemeral.contains(port))
        .count();
    let found = format!("{leased} for leases, {handed} for connections, {taken} sockets");
    let remedy = Some("sudo sysctl -w net.ipv4.ip_local_port_range='32768 60999'".to_owned());
    if handed.saturating_sub(taken) < EPHEMERAL {
        Finding::costs(
            name,
            found,
            "clients run out of ports under load, and say EADDRNOTAVAIL",
        )
        .mended_by(remedy)
    } else if leased < ENOUGH_OUTSIDE {
        Finding::costs(
            name,
            found,
            "a port that a test leased may be taken by somebody's connection before its server listens",
        )
        .mended_by(remedy)
    } else {
        Finding::good(name, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::area::Area;
    use crate::on_the_page::{assert_on_the_page, named};
    use dyno_model::FindingState::{Costs, Good};

    fn judged(facts: &Facts) -> Vec<Finding> {
        let findings = judge(facts);
        assert_on_the_page(Area::Machine, &findings);
        findings
    }

    #[test]
    fn names_and_ports_are_there_or_cost() {
        let usual = || Facts {
            localhost: Some(vec![Ipv4Addr::LOCALHOST.into()]),
            ephemeral: Some((32_768, 60_999)),
            ..Facts::default()
        };
        for (facts, name, state) in [
            (usual(), "ports", Good),
            (
                Facts {
                    ephemeral: Some((1024, 65_535)),
                    ..usual()
                },
                "ports",
                Costs,
            ),
            (
                Facts {
                    ephemeral: Some((32_768, 33_000)),
                    ..usual()
                },
                "ports",
                Costs,
            ),
            (
                Facts {
                    taken: 20_000,
                    ..usual()
                },
                "ports",
                Costs,
            ),
            (usual(), "localhost", Good),
            (
                Facts {
                    localhost: None,
                    ..usual()
                },
                "localhost",
                Costs,
            ),
            (
                Facts {
                    localhost: Some(vec![]),
                    ..usual()
                },
                "localhost",
                Costs,
            ),
            (usual(), "loopback", Good),
            (
                Facts {
                    loopback: Some("no".to_owned()),
                    ..usual()
                },
                "loopback",
                Costs,
            ),
        ] {
            let findings = judged(&facts);
            let found = named(&findings, name);
            assert_eq!(found.state, state, "{found:?}");
            assert_eq!(found.remedy.is_some(), state == Costs);
        }
    }
}
