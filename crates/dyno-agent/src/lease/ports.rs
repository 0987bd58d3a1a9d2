//! Ports that no two sessions of this machine have at once.
//!
//! A lease is a bound abstract Unix socket named after the port. Abstract names are one
//! space per network namespace, as ports are, and the kernel frees them when their
//! holder dies: nothing is left on disk, and no crash leaks a port. A lease tells other
//! sessions to keep off; that nobody else listens is checked when it is taken.

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, ipproto, socket_with,
};
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;

/// The first port that is handed out. Below are the ports that servers have by default
/// (8000, 2379, 4222, ...), which tests name outright.
const FIRST: u16 = 10_000;

/// With fewer ports than this outside the ephemeral range, those inside are used too.
const ENOUGH: usize = 256;

/// Linux's own default, for where `/proc` does not tell (`ip(7)`).
const USUAL_EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

/// Why no port could be leased.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PortError {
    #[error(
        "no {wanted} free ports: {candidates} candidates were tried, {found} could be leased; \
         close benches that are done, or look for what holds the ports"
    )]
    Exhausted {
        wanted: u16,
        found: usize,
        candidates: usize,
    },
    #[error("cannot lease a port: {0}")]
    System(#[from] Errno),
}

/// A port that is this session's while the lease lives.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) port: u16,
    _name: OwnedFd,
}

/// Hands out ports, each at most once while it is leased.
#[derive(Debug)]
pub(crate) struct Ports {
    candidates: Vec<u16>,
    /// Where the next search begins. It goes on from the last port found, so that a port
    /// just let go of, which may have connections in `TIME_WAIT`, rests longest.
    next: usize,
}

impl Ports {
    /// Ports of this network namespace, from a random place on: two sessions that both
    /// began at the first would meet at every port.
    pub(crate) fn new() -> Self {
        let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
        let ephemeral = range.ok().and_then(|text| parse_range(&text));
        let seed = RandomState::new().hash_one(std::process::id());
        Self::with(ephemeral.unwrap_or(USUAL_EPHEMERAL), seed)
    }

    fn with(ephemeral: RangeInclusive<u16>, seed: u64) -> Self {
        let outside = || (FIRST..=u16::MAX).filter(|port| !ephemeral.contains(port));
        let candidates: Vec<u16> = if outside().count() >= ENOUGH {
            outside().collect()
        } else {
            (FIRST..=u16::MAX).collect()
        };
        let next = usize::try_from(seed % candidates.len() as u64).unwrap_or(0);
        Self { candidates, next }
    }

    /// Leases `count` ports or none.
    pub(crate) fn lease(&mut self, count: u16) -> Result<Vec<Lease>, PortError> {
        self.lease_by(count, lease_one)
    }

    fn lease_by<L>(
        &mut self,
        count: u16,
        mut take: impl FnMut(u16) -> Result<Option<L>, Errno>,
    ) -> Result<Vec<L>, PortError> {
        let candidates = self.candidates.len();
        let mut leases = Vec::new();
        for _ in 0..candidates {
            if leases.len() == usize::from(count) {
                break;
            }
            let port = self.candidates[self.next];
            self.next = (self.next + 1) % candidates;
            leases.extend(take(port)?);
        }
        if leases.len() < usize::from(count) {
            return Err(PortError::Exhausted {
                wanted: count,
                found: leases.len(),
                candidates,
            });
        }
        Ok(leases)
    }
}

fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse);
    Some(numbers.next()?.ok()?..=numbers.next()?.ok()?)
}

/// Takes a port if nobody has leased it and nobody is bound to it.
fn lease_one(port: u16) -> Result<Option<Lease>, Errno> {
    let name = socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let address = SocketAddrUnix::new_abstract_name(format!("dyno/port/{port}").as_bytes())?;
    match bind(&name, &address) {
        Ok(()) => {}
        Err(Errno::ADDRINUSE) => return Ok(None),
        Err(error) => return Err(error),
    }
    let addresses: [SocketAddr; 3] = [
        (Ipv4Addr::UNSPECIFIED, port).into(),
        (Ipv4Addr::LOCALHOST, port).into(),
        (Ipv6Addr::LOCALHOST, port).into(),
    ];
    for address in addresses {
        if !is_free(address)? {
            return Ok(None);
        }
    }
    Ok(Some(Lease { port, _name: name }))
}

/// Whether a TCP socket can be bound here, without `SO_REUSEADDR`: the server that is to
/// have the port may not set it.
fn is_free(address: SocketAddr) -> Result<bool, Errno> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let bound = socket_with(
        family,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        Some(ipproto::TCP),
    )
    .and_then(|socket| bind(&socket, &address));
    match bound {
        // No IPv6 here, or none on loopback.
        Ok(()) | Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => Ok(true),
        Err(Errno::ADDRINUSE | Errno::ACCESS) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::net::TcpListener;

    #[test]
    fn the_range_is_read_as_the_kernel_writes_it() {
        assert_eq!(parse_range("32768\t60999\n"), Some(32_768..=60_999));
        assert_eq!(parse_range(""), None);
        assert_eq!(parse_range("1 99999"), None);
    }

    #[test]
    fn two_sessions_never_share_a_port() {
        let mut near = Ports::with(USUAL_EPHEMERAL, 77);
        let mut far = Ports::with(USUAL_EPHEMERAL, 77);
        let (near, far) = (near.lease(40).unwrap(), far.lease(40).unwrap());
        let all: BTreeSet<u16> = near.iter().chain(&far).map(|lease| lease.port).collect();
        assert_eq!(all.len(), 80);
    }

    #[test]
    fn a_lease_ends_with_its_value() {
        let mut ports = Ports::new();
        let lease = ports.lease(1).unwrap().remove(0);
        let port = lease.port;
        assert!(lease_one(port).unwrap().is_none());
        drop(lease);
        assert!(lease_one(port).unwrap().is_some());
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_leased() {
        for host in ["127.0.0.1", "0.0.0.0"] {
            let listener = TcpListener::bind((host, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            assert!(lease_one(port).unwrap().is_none(), "{host}:{port}");
        }
    }

    #[test]
    fn exhaustion_says_so_and_keeps_nothing() {
        let mut ports = Ports::with(USUAL_EPHEMERAL, 0);
        let error = ports
            .lease_by(3, |port| Ok((port % 40_000 == 20_000).then_some(port)))
            .unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("no 3 free ports: "), "{text}");
        assert!(text.contains(", 1 could be leased"), "{text}");
    }

    proptest! {
        // Each case goes through fifty thousand ports.
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn every_candidate_is_tried_once_from_any_start(
            low in any::<u16>(), high in any::<u16>(), seed in any::<u64>(),
        ) {
            let mut ports = Ports::with(low..=high, seed);
            let mut tried = BTreeSet::new();
            let error = ports.lease_by::<()>(1, |port| {
                assert!(tried.insert(port), "{port} twice");
                Ok(None)
            });
            prop_assert!(error.is_err());
            prop_assert!(tried.iter().all(|port| *port >= FIRST));
            prop_assert!(tried.len() >= ENOUGH);
        }
    }
}
