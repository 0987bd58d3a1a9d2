//! The cache of models, the token, and whether the models that tests name can be had.

mod cache;
mod reach;
mod token;

use crate::suite::{ReadSuite, Suite};
use crate::surroundings::Surroundings;
use dyno_model::{Finding, ModelRequest};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

pub(crate) use cache::Cache;
pub(crate) use reach::{Reach, reach};
pub(crate) use token::Kept;

/// Reading a suite of 2300 tests from its text takes 0.5 s with a cache, and 3 s the first time,
/// when pytest is asked what its plugins bring (2 cores, 2026-11).
const READING: Duration = Duration::from_secs(8);

/// What is known of models.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) cache: Cache,
    pub(crate) token: Kept,
    /// The Hub, as messages name it.
    pub(crate) endpoint: String,
    pub(crate) is_offline: bool,
    pub(crate) suite: Suite,
    /// How each model of the suite can be had, in its order.
    pub(crate) reach: Vec<(ModelRequest, usize, Reach)>,
}

impl Facts {
    pub(crate) fn look(around: &Surroundings, suite: ReadSuite) -> Self {
        let suite = read(suite);
        let wants: &[(ModelRequest, usize)] = match &suite {
            Suite::Read { wants, .. } => wants,
            Suite::None | Suite::Unread(_) => &[],
        };
        let requests: Vec<ModelRequest> =
            wants.iter().map(|(request, _)| request.clone()).collect();
        let states = reach(&requests, &around.place);
        let reach = wants.iter().zip(states);
        Self {
            cache: Cache::look(&around.place.cache, around.variable("HOME").map(Path::new)),
            token: Kept::look(around),
            endpoint: around.place.endpoint.clone(),
            is_offline: around.place.offline,
            reach: reach
                .map(|((request, tests), state)| (request.clone(), *tests, state))
                .collect(),
            suite,
        }
    }
}

/// Reads the suite, or gives up.
fn read(suite: ReadSuite) -> Suite {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = tell.send(suite());
    });
    let late = || {
        Suite::Unread(format!(
            "it takes longer than {} s to read",
            READING.as_secs()
        ))
    };
    told.recv_timeout(READING).unwrap_or_else(|_| late())
}

pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = cache::judge(&facts.cache);
    findings.push(endpoint(facts));
    let needs = facts
        .reach
        .iter()
        .any(|(.., state)| state.is_for_want_of_a_token());
    findings.push(token::judge(&facts.token, needs));
    findings.extend(suite(facts));
    findings
}

fn endpoint(facts: &Facts) -> Finding {
    let name = "hub";
    let shown = without_user(&facts.endpoint);
    if facts.is_offline {
        return Finding::note(
            name,
            "offline, by HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE: only what is in the cache can be had",
        )
        .mended_by(Some("unset HF_HUB_OFFLINE TRANSFORMERS_OFFLINE".to_owned()));
    }
    let host = shown
        .strip_prefix("https://")
        .or_else(|| shown.strip_prefix("http://"));
    let is_odd = shown.contains(|letter: char| letter.is_control() || letter == ' ');
    if is_odd || host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
        return Finding::costs(
            name,
            format!("HF_ENDPOINT is {shown:?}, which is no address of the web"),
            "no model can be fetched",
        )
        .mended_by(Some("unset HF_ENDPOINT".to_owned()));
    }
    if let Some((error, hint)) = facts
        .reach
        .iter()
        .find_map(|(.., state)| state.out_of_reach())
    {
        let name_of = |(request, _, state): &(ModelRequest, usize, Reach)| {
            state.out_of_reach().map(|_| request.to_string())
        };
        let names: Vec<String> = facts.reach.iter().filter_map(name_of).collect();
        let costs = format!("tests of {} cannot run", crate::paste::listed(&names));
        return Finding::costs(name, error, costs).mended_by(Some(hint.to_owned()));
    }
    let asked = facts.reach.iter().any(|(.., state)| state.was_asked());
    let found = if asked {
        shown
    } else {
        format!("{shown}, which was not asked")
    };
    Finding::good(name, found)
}

/// `HF_ENDPOINT` without a user and a password.
fn without_user(endpoint: &str) -> String {
    match (endpoint.split_once("://"), endpoint.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => endpoint.to_owned(),
    }
}

fn suite(facts: &Facts) -> Vec<Finding> {
    let name = "models of the tests";
    match &facts.suite {
        Suite::None => vec![Finding::note(
            name,
            "there is no suite here: no configuration of pytest's in this folder or above",
        )],
        Suite::Unread(why) => vec![
            Finding::note(name, format!("not known: {why}"))
                .mended_by(Some("dyno collect -q".to_owned())),
        ],
        Suite::Read { tests, wrong, .. } => {
            let count = |count: usize, word: &str| {
                format!("{count} {word}{}", if count == 1 { "" } else { "s" })
            };
            let mut findings = Vec::new();
            if facts.reach.is_empty() && wrong.is_empty() {
                let found = format!("none that the text of {} names", count(*tests, "test"));
                findings.push(Finding::good(name, found));
            }
            for (why, test) in wrong {
                let found = format!("{why}, in {test}");
                let remedy = format!("dyno collect --why {}", crate::paste::command(&[test]));
                findings.push(
                    Finding::costs("model", found, "the tests that name it cannot run")
                        .mended_by(Some(remedy)),
                );
            }
            findings.extend(facts.reach.iter().map(|(request, tests, state)| {
                reach::judge(request, &count(*tests, "test"), state)
            }));
            findings
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::area::Area;
    use crate::on_the_page::assert_on_the_page;
    use dyno_model::FindingState::{self, Costs, Good, Note};

    fn judged(facts: &Facts) -> Vec<Finding> {
        let findings = judge(facts);
        assert_on_the_page(Area::Models, &findings);
        findings
    }

    fn facts(suite: Suite) -> Facts {
        Facts {
            cache: Cache::fit(),
            token: Kept::default(),
            endpoint: "https://me:secret@hub.example".to_owned(),
            is_offline: false,
            suite,
            reach: Vec::new(),
        }
    }

    fn named(facts: &Facts, name: &str) -> (FindingState, String) {
        let found = judged(facts)
            .into_iter()
            .find(|finding| finding.name == name)
            .unwrap();
        (found.state, found.found)
    }

    #[test]
    fn a_hub_is_an_address_or_is_not_asked() {
        let mut facts = facts(Suite::None);
        assert_eq!(
            named(&facts, "hub"),
            (Good, "https://hub.example, which was not asked".to_owned())
        );
        for endpoint in [
            "hub.example",
            "ftp://x",
            "https://",
            "http:///x",
            "http://x\ny",
        ] {
            endpoint.clone_into(&mut facts.endpoint);
            assert_eq!(named(&facts, "hub").0, Costs, "{endpoint}");
        }
        facts.is_offline = true;
        assert_eq!(named(&facts, "hub").0, Note);
    }

    #[test]
    fn a_suite_is_read_or_not() {
        let name = "models of the tests";
        assert_eq!(named(&facts(Suite::None), name).0, Note);
        let unread = facts(Suite::Unread("no pytest".to_owned()));
        assert_eq!(
            named(&unread, name),
            (Note, "not known: no pytest".to_owned())
        );
        let read = |wrong: Vec<(String, String)>| Suite::Read {
            tests: 1,
            wants: Vec::new(),
            wrong,
        };
        let none = "none that the text of 1 test names".to_owned();
        assert_eq!(named(&facts(read(Vec::new())), name), (Good, none));
        let wrong = vec![(
            "\"a b\" is no model's name".to_owned(),
            "t.py::test".to_owned(),
        )];
        let found = named(&facts(read(wrong)), "model");
        assert!(
            found.0 == Costs && found.1.ends_with("in t.py::test"),
            "{found:?}"
        );
    }
}
