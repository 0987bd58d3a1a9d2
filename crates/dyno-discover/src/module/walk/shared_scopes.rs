//! Parameters of one name and of two scopes that pytest keeps in one place.
//!
//! `Metafunc.parametrize` makes a fixture of each argument of a higher scope and keeps it at
//! the node of that scope: the next function that is parametrized under that name gets the
//! same, with the scope of the first. Outside of a class, the node of the scope `class` is
//! the module; outside of a package, that of `package` is the session.

use dyno_model::{Doubt, FoundTest, Scope, Unknown};
use std::collections::{HashMap, HashSet};

/// Where the fixture of a parameter is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kept {
    Module,
    Session,
}

fn kept(scope: Scope, in_class: bool) -> Option<Kept> {
    match scope {
        Scope::Class if !in_class => Some(Kept::Module),
        Scope::Module => Some(Kept::Module),
        Scope::Package | Scope::Session => Some(Kept::Session),
        Scope::Function | Scope::Class => None,
    }
}

fn shared(test: &FoundTest) -> impl Iterator<Item = ((Kept, &str), Scope)> {
    let in_class = test.test.item.location.domain.contains('.');
    let params = test.test.params.iter();
    params.filter_map(move |param| {
        kept(param.scope, in_class).map(|kept| ((kept, param.name.as_str()), param.scope))
    })
}

/// Puts in doubt what scope the fixtures of such parameters have.
pub(super) fn doubt_shared_scopes(tests: &mut [FoundTest]) {
    let mut seen: HashMap<(Kept, &str), Scope> = HashMap::new();
    let mut mixed: HashSet<(Kept, String)> = HashSet::new();
    for ((kept, name), scope) in tests.iter().flat_map(shared) {
        if *seen.entry((kept, name)).or_insert(scope) != scope {
            mixed.insert((kept, name.to_owned()));
        }
    }
    if mixed.is_empty() {
        return;
    }
    for test in tests {
        let is_mixed =
            shared(test).any(|((kept, name), _)| mixed.contains(&(kept, name.to_owned())));
        if is_mixed {
            let reason = "a parameter of one name and several scopes";
            let unknown = Unknown::new(Doubt::Fixtures, reason);
            test.unknown.push(unknown);
        }
    }
}
