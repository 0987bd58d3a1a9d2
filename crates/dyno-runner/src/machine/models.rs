//! Models that tests name: which are fetched, which units wait for them, which tests go without.
//!
//! A unit waits outside the planner until each model that its tests name is in the cache or known
//! not to be had; the others start at once, unless the order of all is given. A test whose model
//! cannot be had is still given to a worker, where pytest's own markers and the hooks of conftests
//! come first; then it is an error in its set-up.

use super::{Effect, Machine, State};
use dyno_config::Models;
use dyno_model::{Event, Item, ModelName, ModelRequest, NamedModel, Revision, TestId};
use dyno_plan::{Grouping, Input, Job, Order, Planner, units};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// What is fetched once, however much of it each test wants.
type Key = (ModelName, Revision);

/// What the Hub, or its cache, says of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ModelNews {
    /// So much of it is here.
    Fetching {
        model: ModelRequest,
        bytes: u64,
        of: Option<u64>,
    },
    /// The Hub lets wait.
    Waiting {
        model: ModelRequest,
        why: String,
        wait: Option<Duration>,
    },
    /// It is in the cache.
    Ready {
        model: ModelRequest,
        commit: String,
        bytes: u64,
        elapsed: Duration,
        /// What is to be known about it.
        note: Option<String>,
    },
    /// It cannot be had.
    Unavailable {
        model: ModelRequest,
        why: String,
        hint: String,
    },
    /// Nothing more will be said.
    Over,
}

/// The models of a run.
#[derive(Debug, Default)]
pub(super) struct ModelNeeds {
    /// What each test names.
    needs: HashMap<TestId, BTreeSet<Key>>,
    /// What is no name, and why.
    refused: HashMap<TestId, Vec<String>>,
    /// Tests that ask no Hub, because they or those of their unit name a model.
    offline: HashSet<TestId>,
    /// Models of which nothing is known yet, and how much is wanted of each.
    pending: BTreeMap<Key, ModelRequest>,
    /// Why a model cannot be had.
    unavailable: BTreeMap<Key, String>,
    /// Units that wait for their models.
    waiting: Vec<Job>,
    /// By these variables the tests find the Hub and its cache.
    hub: BTreeMap<String, String>,
    /// What the planner has been given so far, which may be nothing.
    given: usize,
    order: Option<Order>,
}

impl ModelNeeds {
    /// What the tests of each template name.
    pub(super) fn of(
        templates: &[Vec<Item>],
        models: Models,
        hub: BTreeMap<String, String>,
    ) -> Self {
        let mut needs = Self {
            hub,
            ..Self::default()
        };
        let names = |item: &Item| !item.models.is_empty();
        if models == Models::Ignore || !templates.iter().flatten().any(names) {
            return needs;
        }
        for item in templates.iter().flatten().filter(|item| names(item)) {
            for named in &item.models {
                needs.note(&item.id, named);
            }
        }
        for unit in units(
            templates.iter().map(Vec::as_slice),
            Grouping::SharedFixtures,
        ) {
            if unit.tests.iter().any(|test| needs.needs.contains_key(test)) {
                needs.offline.extend(unit.tests);
            }
        }
        needs
    }

    fn note(&mut self, test: &TestId, named: &NamedModel) {
        match named.request() {
            Ok(request) => {
                let key = key(&request);
                let known = self.pending.entry(key.clone());
                let wanted = known.or_insert_with(|| request.clone());
                wanted.files = wanted.files.max(request.files);
                self.needs.entry(test.clone()).or_default().insert(key);
            }
            Err(wrong) => {
                let refused = self.refused.entry(test.clone()).or_default();
                refused.extend(wrong);
            }
        }
    }

    /// Whether the test runs with the variables that keep it from asking the Hub.
    pub(super) fn is_offline(&self, test: &TestId) -> bool {
        self.offline.contains(test)
    }

    /// Whether the test cannot be run.
    pub(super) fn lacks(&self, test: &TestId) -> bool {
        self.refused.contains_key(test) || self.missing(test).next().is_some()
    }

    /// Why the test cannot be run, in the words of its report.
    pub(super) fn why(&self, test: &TestId) -> Option<String> {
        if !self.lacks(test) {
            return None;
        }
        let mut lines = Vec::new();
        if let Some(refused) = self.refused.get(test) {
            lines.extend(refused.iter().map(|why| format!("dyno: {why}")));
            lines.push(
                "hint: a model is named as in @pytest.mark.model(\"org/name\", revision=\"main\", \
                 files=\"all\"); the name of a folder begins with / or ./"
                    .to_owned(),
            );
        }
        lines.extend(self.missing(test).cloned());
        Some(lines.join("\n"))
    }

    fn missing(&self, test: &TestId) -> impl Iterator<Item = &String> {
        let needs = self.needs.get(test).into_iter().flatten();
        needs.filter_map(|key| self.unavailable.get(key))
    }

    /// How many tests name it.
    fn count(&self, model: &Key) -> u32 {
        let naming = self.needs.values().filter(|needs| needs.contains(model));
        u32::try_from(naming.count()).unwrap_or(u32::MAX)
    }

    /// Whether units wait.
    pub(super) fn is_awaited(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn waits(&self, job: &Job) -> bool {
        let needs = |test| self.needs.get(test).into_iter().flatten();
        let mut needs = job.unit.tests.iter().flat_map(needs);
        needs.any(|key| self.pending.contains_key(key))
    }

    /// Keeps the units that wait, and gives the others.
    fn hold(&mut self, jobs: Vec<Job>, order: Order) -> Vec<Job> {
        self.order = Some(order);
        if self.pending.is_empty() {
            return jobs;
        }
        let all_wait = order != Order::LongestFirst && jobs.iter().any(|job| self.waits(job));
        let (waiting, free) = jobs
            .into_iter()
            .partition(|job| all_wait || self.waits(job));
        self.waiting = waiting;
        self.given = free.len();
        free
    }

    /// Units that need not wait any longer, the one to start first at the end.
    fn let_go(&mut self) -> Vec<Job> {
        let in_order = self.order.is_some_and(|order| order != Order::LongestFirst);
        if in_order && !self.pending.is_empty() {
            return Vec::new();
        }
        let held = std::mem::take(&mut self.waiting);
        let (waiting, mut free): (Vec<_>, Vec<_>) = held
            .into_iter()
            .partition(|job| !in_order && self.waits(job));
        self.waiting = waiting;
        // Of what was never run nothing is known but that it may be long.
        free.sort_by_key(|job| job.expected.unwrap_or(Duration::MAX));
        free
    }
}

fn key(model: &ModelRequest) -> Key {
    (model.name.clone(), model.revision.clone())
}

impl Machine {
    /// Plans these units, but for those that wait for their models, which are asked for.
    pub(super) fn start_planner(
        &mut self,
        jobs: Vec<Job>,
        order: Order,
        effects: &mut Vec<Effect>,
    ) {
        let free = self.models.hold(jobs, order);
        self.planner = Planner::new(free, self.capacity(), order);
        self.state = State::Running;
        if self.stop.is_some() {
            self.models.waiting.clear();
            return self.plan(Input::Stop, effects);
        }
        if !self.models.pending.is_empty() {
            effects.push(Effect::FetchModels {
                models: self.models.pending.values().cloned().collect(),
                hub: self.models.hub.clone(),
            });
        }
        self.plan(Input::Start, effects);
    }

    /// Nothing more is to be fetched.
    pub(super) fn stop_fetching(&mut self, effects: &mut Vec<Effect>) {
        if !self.models.pending.is_empty() {
            effects.push(Effect::StopFetching);
        }
        self.models.waiting.clear();
    }

    pub(super) fn model_news(&mut self, news: Vec<ModelNews>, effects: &mut Vec<Effect>) {
        if self.state != State::Running || self.stop.is_some() {
            return;
        }
        for news in news {
            self.one_model_news(news, effects);
        }
        self.release_units(effects);
    }

    fn one_model_news(&mut self, news: ModelNews, effects: &mut Vec<Effect>) {
        let event = match news {
            ModelNews::Fetching { model, bytes, of } => Event::ModelFetching { model, bytes, of },
            ModelNews::Waiting { model, why, wait } => Event::ModelWaiting { model, why, wait },
            ModelNews::Ready {
                model,
                commit,
                bytes,
                elapsed,
                note,
            } => {
                self.models.pending.remove(&key(&model));
                Event::ModelReady {
                    model,
                    commit,
                    bytes,
                    elapsed,
                    note,
                }
            }
            ModelNews::Unavailable { model, why, hint } => {
                let key = key(&model);
                let text = format!("dyno: {model} cannot be had: {why}\nhint: {hint}");
                self.models.pending.remove(&key);
                let tests = self.models.count(&key);
                self.models.unavailable.insert(key, text);
                Event::ModelUnavailable { model, why, tests }
            }
            ModelNews::Over => {
                let unsaid: Vec<_> = self.models.pending.values().cloned().collect();
                for model in unsaid {
                    let why = "the fetch ended without a word of it".to_owned();
                    let hint =
                        "this is a bug of dyno; `dyno models prefetch` may get it".to_owned();
                    self.one_model_news(ModelNews::Unavailable { model, why, hint }, effects);
                }
                return;
            }
        };
        effects.push(Effect::Record(event));
    }

    fn release_units(&mut self, effects: &mut Vec<Effect>) {
        let free = self.models.let_go();
        if free.is_empty() {
            return;
        }
        let is_first = self.models.given == 0;
        self.models.given += free.len();
        if let (true, Some(order)) = (is_first, self.models.order) {
            // The planner has had none: it puts these into its order.
            self.planner = Planner::new(in_given_order(free), self.capacity(), order);
            return self.plan(Input::Start, effects);
        }
        for job in free {
            self.plan(Input::Add(job), effects);
        }
    }
}

/// As they were planned, which is by their numbers.
fn in_given_order(mut jobs: Vec<Job>) -> Vec<Job> {
    jobs.sort_by_key(|job| job.unit.id);
    jobs
}
