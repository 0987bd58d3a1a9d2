//! pytest's reordering: tests that share a parameter of a higher scope are put side by side.
//!
//! `_pytest.fixtures.reorder_items`, exactly. Between versions differ only what makes two
//! parameters the same ([`dyno_model::Param::key`], and what of the place is looked at) and
//! how often a test stands in a list of which only its first place counts (8.0 and 8.1).

use dyno_model::{Param, PytestVersion, Scope};
use std::collections::{HashMap, VecDeque};

/// What the order of a test depends on.
#[derive(Debug, Clone, Copy)]
pub struct TestParams<'a> {
    /// `callspec.params`.
    pub params: &'a [Param],
    /// The folder of its file: equal numbers for equal folders.
    pub folder: u32,
    /// Its file.
    pub file: u32,
    /// The class object (not its name) that holds it; absent outside of classes.
    pub class: Option<u32>,
}

/// The scopes that are looked at, in the order in which they are.
const SCOPES: [Scope; 4] = [Scope::Session, Scope::Package, Scope::Module, Scope::Class];

/// The places that pytest gives to tests: the result's `n`th is the index of the test that
/// comes `n`th.
pub fn reorder(tests: &[TestParams<'_>], version: PytestVersion) -> Vec<usize> {
    let in_order = || (0..tests.len()).collect();
    let is_high = |test: &TestParams<'_>| test.params.iter().any(|p| p.scope > Scope::Function);
    if tests.len() < 3 || !tests.iter().any(is_high) {
        return in_order();
    }
    let mut order = Order::new(tests, version);
    order.at_scope(in_order(), 0)
}

/// `ParamArgKey`: what tests must have in common to be put side by side.
type Key<'a> = (&'a str, &'a str, u32, Option<u32>);

/// The keys of a test at a scope, in pytest's order.
fn keys<'a>(test: &TestParams<'a>, scope: Scope, version: PytestVersion) -> Vec<Key<'a>> {
    let since = |major, minor| version >= PytestVersion { major, minor };
    let (file, class) = match scope {
        Scope::Session | Scope::Function => (0, None),
        // Before 8.3 it was the file, so that packages were not put together (#12328).
        Scope::Package if since(8, 3) => (test.folder, None),
        Scope::Package | Scope::Module => (test.file, None),
        Scope::Class => (test.file, test.class),
    };
    let of_scope = test.params.iter().filter(|param| param.scope == scope);
    let mut found: Vec<_> = (of_scope)
        .map(|param| (param.name.as_str(), param.key.as_str(), file, class))
        .collect();
    if !since(8, 1) {
        found.sort_unstable_by_key(|key| key.0);
    }
    found
}

/// One scope's tests by key and keys by test.
#[derive(Default)]
struct ByKey {
    /// Of each test its keys, and its place in the list of that key.
    of_test: HashMap<usize, Vec<(usize, usize)>>,
    /// Of each key the tests: a smaller rank comes first.
    of_key: Vec<Vec<(i64, usize)>>,
}

/// The members of a set: those whose stamp is the set's, so that a new one costs nothing.
struct Stamps {
    stamps: Vec<u32>,
    last: u32,
}

impl Stamps {
    fn new(count: usize) -> Self {
        Self {
            stamps: vec![0; count],
            last: 0,
        }
    }

    fn fresh(&mut self) -> u32 {
        self.last += 1;
        self.last
    }
}

struct Order {
    scopes: [ByKey; 4],
    /// Of each scope: which tests its running call was given, has done, and holds back.
    given: [Stamps; 4],
    done: [Stamps; 4],
    held: [Stamps; 4],
    /// Of each scope the keys that its running call has dealt with.
    ignored: [Stamps; 4],
    /// The rank of what is moved to the front next.
    front: i64,
}

impl Order {
    fn new(tests: &[TestParams<'_>], version: PytestVersion) -> Self {
        let scopes = SCOPES.map(|scope| {
            let mut numbers: HashMap<Key<'_>, usize> = HashMap::new();
            let mut by_key = ByKey::default();
            for (test, facts) in tests.iter().enumerate() {
                let mut of_test = Vec::new();
                for key in keys(facts, scope, version) {
                    let next = numbers.len();
                    let number = *numbers.entry(key).or_insert(next);
                    if number == by_key.of_key.len() {
                        by_key.of_key.push(Vec::new());
                    }
                    let list = &mut by_key.of_key[number];
                    of_test.push((number, list.len()));
                    let rank = i64::try_from(list.len()).unwrap_or(i64::MAX);
                    list.push((rank, test));
                }
                if !of_test.is_empty() {
                    by_key.of_test.insert(test, of_test);
                }
            }
            by_key
        });
        let stamps = || [(); 4].map(|()| Stamps::new(tests.len()));
        Self {
            ignored: [0, 1, 2, 3].map(|scope: usize| Stamps::new(scopes[scope].of_key.len())),
            scopes,
            given: stamps(),
            done: stamps(),
            held: stamps(),
            front: -1,
        }
    }

    /// `reorder_items_atscope`; `scope` counts from the session down.
    fn at_scope(&mut self, items: Vec<usize>, scope: usize) -> Vec<usize> {
        if scope >= SCOPES.len() || items.len() < 3 {
            return items;
        }
        let given = self.given[scope].fresh();
        for &item in &items {
            self.given[scope].stamps[item] = given;
        }
        let done = self.done[scope].fresh();
        let ignored = self.ignored[scope].fresh();
        let mut result = Vec::with_capacity(items.len());
        let mut queue = VecDeque::from(items);
        while !queue.is_empty() {
            let held = self.held[scope].fresh();
            let mut without_key = Vec::new();
            let mut slicing = None;
            while let Some(item) = queue.pop_front() {
                if self.done[scope].stamps[item] == done || self.held[scope].stamps[item] == held {
                    continue;
                }
                let own = self.scopes[scope].of_test.get(&item).into_iter().flatten();
                match own
                    .map(|&(key, _)| key)
                    .rfind(|&key| self.ignored[scope].stamps[key] != ignored)
                {
                    None => {
                        self.held[scope].stamps[item] = held;
                        without_key.push(item);
                    }
                    Some(key) => {
                        slicing = Some(key);
                        self.slice(key, scope, given, &mut queue);
                        break;
                    }
                }
            }
            for item in self.at_scope(without_key, scope + 1) {
                self.done[scope].stamps[item] = done;
                result.push(item);
            }
            if let Some(key) = slicing {
                self.ignored[scope].stamps[key] = ignored;
            }
        }
        result
    }

    /// Puts all tests of a key that were given before the others.
    fn slice(&mut self, key: usize, scope: usize, given: u32, queue: &mut VecDeque<usize>) {
        let mut matching: Vec<(i64, usize)> = (self.scopes[scope].of_key[key].iter())
            .filter(|(_, test)| self.given[scope].stamps[*test] == given)
            .copied()
            .collect();
        matching.sort_unstable();
        for &(_, test) in matching.iter().rev() {
            queue.push_front(test);
            for by_key in &mut self.scopes {
                for &(key, place) in by_key.of_test.get(&test).into_iter().flatten() {
                    by_key.of_key[key][place].0 = self.front;
                    self.front -= 1;
                }
            }
        }
    }
}
