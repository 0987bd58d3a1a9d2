//! The services that clients share, by name: whoever asks first starts one, the others wait.

use dyno_wire::agent::{Forward, ScopeId};
use serde_json::Value;
use std::collections::BTreeMap;

/// The services of an agent.
#[derive(Debug, Default)]
pub(crate) struct Services(BTreeMap<String, Service>);

#[derive(Debug)]
enum Service {
    Starting(ScopeId),
    Published(Published),
}

/// A service that runs.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) scope: ScopeId,
    pub(crate) value: Value,
    pub(crate) forwards: Vec<Forward>,
}

/// What there is for one who asks for a service.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It runs.
    Theirs(Published),
    /// Another one starts it.
    Wait,
    /// It is to be started, in a scope that `offer` has made.
    Yours(ScopeId),
}

impl Services {
    /// Asks for a service; `offer` makes a scope for one who is to start it.
    pub(crate) fn claim(&mut self, name: &str, offer: impl FnOnce() -> ScopeId) -> Claim {
        match self.0.get(name) {
            Some(Service::Published(service)) => Claim::Theirs(service.clone()),
            Some(Service::Starting(_)) => Claim::Wait,
            None => {
                let scope = offer();
                self.0.insert(name.to_owned(), Service::Starting(scope));
                Claim::Yours(scope)
            }
        }
    }

    /// The name of the service that is being started in a scope.
    pub(crate) fn starting(&self, scope: ScopeId) -> Option<&str> {
        let mut all = self.0.iter();
        let found =
            all.find(|(_, service)| matches!(service, Service::Starting(at) if *at == scope));
        found.map(|(name, _)| name.as_str())
    }

    /// A service runs. It must have been claimed.
    pub(crate) fn publish(&mut self, name: &str, service: Published) {
        self.0.insert(name.to_owned(), Service::Published(service));
    }

    /// A scope has been closed: a service that was being started in it is the next one's to
    /// start. Whether there was one.
    pub(crate) fn give_up(&mut self, scope: ScopeId) -> bool {
        let before = self.0.len();
        self.0
            .retain(|_, service| !matches!(service, Service::Starting(at) if *at == scope));
        self.0.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_starts_it_and_the_others_have_what_it_says() {
        let mut services = Services::default();
        let unwanted = || panic!("no scope is wanted");
        assert!(matches!(
            services.claim("etcd", || ScopeId(1)),
            Claim::Yours(ScopeId(1))
        ));
        assert!(matches!(services.claim("etcd", unwanted), Claim::Wait));
        assert_eq!(services.starting(ScopeId(1)), Some("etcd"));
        let service = Published {
            scope: ScopeId(1),
            value: Value::from(7),
            forwards: Vec::new(),
        };
        services.publish("etcd", service);
        let Claim::Theirs(had) = services.claim("etcd", unwanted) else {
            panic!();
        };
        assert_eq!(had.value, 7);
        assert!(services.starting(ScopeId(1)).is_none());
        assert!(
            !services.give_up(ScopeId(1)),
            "it is not its starter's any more"
        );
    }

    #[test]
    fn one_who_gives_up_leaves_it_to_the_next() {
        let mut services = Services::default();
        services.claim("nats", || ScopeId(1));
        assert!(services.give_up(ScopeId(1)));
        assert!(matches!(
            services.claim("nats", || ScopeId(2)),
            Claim::Yours(ScopeId(2))
        ));
        assert!(!services.give_up(ScopeId(1)));
    }
}
