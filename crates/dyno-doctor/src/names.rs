//! Names of hosts, looked up within a limit: a name server that is not there is waited for 5 s
//! and more by the system's own resolver, which nothing can interrupt.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

/// A name that is in `/etc/hosts` is there at once, and one of a name server that works within
/// tens of milliseconds.
pub(crate) const LIMIT: Duration = Duration::from_secs(2);

/// The addresses of `host:port`, none where it has none; `None` where the limit was over.
pub(crate) fn addresses(place: &str) -> Option<Vec<SocketAddr>> {
    let (tell, told) = mpsc::channel();
    let place = place.to_owned();
    // Left alone where it takes longer; the process ends without it.
    std::thread::spawn(move || {
        let found = place.to_socket_addrs();
        let _ = tell.send(found.map(Iterator::collect).unwrap_or_default());
    });
    told.recv_timeout(LIMIT).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_own_name() {
        let here = addresses("127.0.0.1:80").unwrap();
        assert_eq!(here, ["127.0.0.1:80".parse().unwrap()]);
        assert_eq!(addresses("no host at all"), Some(Vec::new()));
    }
}
