//! From what was collected to the plan of the run.

use super::Machine;
use super::models::ModelNeeds;
use super::share::{WHOLE, share, unknown};
use crate::machine::Effect;
use dyno_config::{Beside, Repeat, Terms, TimeoutMarker};
use dyno_model::{
    Bytes, Capacity, Category, Claim, Event, Item, Lane, MilliCpu, MissingWall, PhaseReport,
    TestId, TokenName, UnitId, WorkerId,
};
use dyno_plan::{Grouping, Input, Job, Order, Unit, partition, units};
use dyno_wire::template::{Collected, Feed};
use dyno_wire::worker::{Limits, ToRun, ToWorker};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// On what terms the tests of the run are run.
#[derive(Debug, Default)]
pub(super) struct AllTerms {
    plain: Terms,
    /// Where they are not the plain ones.
    special: HashMap<TestId, Terms>,
}

impl AllTerms {
    pub(super) fn of(&self, test: &TestId) -> &Terms {
        self.special.get(test).unwrap_or(&self.plain)
    }
}

impl Machine {
    pub(super) fn collected(&mut self, collected: Collected, effects: &mut Vec<Effect>) {
        if !self.is_whole(effects) {
            return;
        }
        let (siblings, mut deselected) = self.siblings.take_items();
        deselected += collected.deselected;
        let options = collected.options;
        let mut templates: Vec<Vec<Item>> = [collected.items].into_iter().chain(siblings).collect();
        if let Some(part) = self.settings.partition {
            deselected += partition(&mut templates, part);
        }
        let addopts = options.xdist_workers.as_deref();
        let load = (self.settings).load(self.processors, addopts, options.debugger);
        let marker = if options.timeout_plugin {
            TimeoutMarker::Plugins
        } else {
            TimeoutMarker::Ours
        };
        let items = templates.concat();
        let beside = if load.most == 1 {
            Beside::None
        } else {
            Beside::Others
        };
        self.take_terms(&items, marker, beside);
        self.headlines = headlines(&items);
        self.maxfail = match self.settings.repeat {
            Repeat::UntilFail if options.maxfail == 0 => 1,
            _ => options.maxfail,
        };
        self.listens = options.listens;
        self.captures = options.captures;
        self.visible = collected.visible;
        self.load = load;
        let debugger = self.settings.debugger || options.debugger;
        let carried = self.take_carried(&mut templates);
        self.models = ModelNeeds::of(&templates, self.settings.models, options.hub);
        let plan = self.plan_of(&templates, options.ordered, debugger);
        let waits = |job: &Job| job.claim.cpu < WHOLE;
        if load.by_cpu && !plan.jobs.iter().any(waits) {
            self.load.most = load.slots;
        }
        effects.push(Effect::Record(Event::Collected {
            items,
            deselected,
            display: options.display,
        }));
        self.tell_carried(carried, effects);
        effects.push(Effect::Record(Event::Planned {
            units: u32::try_from(plan.jobs.len()).unwrap_or(u32::MAX),
            workers: self.load.most,
            seed: plan.seed,
        }));
        self.count_outstanding(&plan.jobs);
        if self.settings.repeat == Repeat::UntilFail {
            self.round.clone_from(&plan.jobs);
        }
        self.start_planner(plan.jobs, plan.order, effects);
    }

    /// Sealed tests do without these walls. Where they would share ports or files they run one
    /// at a time, as the suite would under pytest.
    pub(super) fn walls_missing(&mut self, walls: Vec<MissingWall>, effects: &mut Vec<Effect>) {
        let keeps_apart = |missing: &MissingWall| !["pid", "ipc", "uts"].contains(&&*missing.wall);
        let is_open = walls.iter().any(keeps_apart);
        effects.push(Effect::Record(Event::WallsMissing { walls }));
        if is_open {
            self.plan(Input::Tokens(unwalled(), 1), effects);
        }
    }

    /// Takes tests that were run before out, with what was said of them, in pytest's order.
    fn take_carried(&mut self, templates: &mut [Vec<Item>]) -> Vec<(WorkerId, Vec<PhaseReport>)> {
        let mut taken = Vec::new();
        if let Some(carried) = &mut self.carried {
            for items in templates {
                items.retain(|item| match carried.tests.remove(&item.id) {
                    Some(said) => {
                        taken.push(said);
                        false
                    }
                    None => true,
                });
            }
        }
        taken
    }

    fn tell_carried(
        &mut self,
        carried: Vec<(WorkerId, Vec<PhaseReport>)>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(before) = &self.carried else {
            return;
        };
        effects.push(Effect::Record(Event::Resumed {
            run: before.run.clone(),
            tests: u32::try_from(carried.len()).unwrap_or(u32::MAX),
        }));
        for (worker, said) in carried {
            let Some(test) = said.first().map(|report| report.test.clone()) else {
                continue;
            };
            let started = test.clone();
            effects.push(Effect::Record(Event::TestStarted {
                worker,
                test: started,
            }));
            let fed = test.as_str().to_owned();
            self.feed(Feed::Start { test: fed.clone() }, effects);
            for report in said {
                // They count, but `-x` is for those that are run now.
                self.failures += u64::from(report.is_failure());
                let report = Box::new(report);
                if report.status.category != Some(Category::Retried) {
                    let report = report.clone();
                    self.feed(Feed::Earlier { report }, effects);
                }
                effects.push(Effect::Record(Event::Reported { worker, report }));
            }
            self.feed(Feed::Finish { test: fed }, effects);
            let took = None;
            effects.push(Effect::Record(Event::TestFinished { worker, test, took }));
        }
    }

    fn take_terms(&mut self, items: &[Item], marker: TimeoutMarker, beside: Beside) {
        let rules = &self.settings.rules;
        let with_retries = |mut terms: Terms| {
            terms.retries = self.settings.retries.unwrap_or(terms.retries);
            terms
        };
        let plain = with_retries(rules.plain());
        let mut special = HashMap::new();
        for item in items {
            let terms = with_retries(rules.terms(item, marker, beside));
            if terms != plain {
                special.insert(item.id.clone(), terms);
            }
        }
        self.terms = AllTerms { plain, special };
    }

    pub(super) fn capacity(&self) -> Capacity {
        let mut tokens = self.settings.rules.tokens.clone();
        tokens.insert(unwalled(), u32::MAX);
        Capacity {
            slots: self.load.slots,
            cpu: Some(MilliCpu(u64::from(self.processors.get()) * 1000)),
            memory: self.memory,
            tokens,
        }
    }

    fn plan_of(&mut self, templates: &[Vec<Item>], ordered: bool, debugger: bool) -> Plan {
        let one = self.load.most == 1;
        let has_own = |terms: &Terms| terms.lane != Lane::Shared;
        let apart = self.settings.shuffle.is_some()
            || self.settings.repeat != Repeat::ONCE
            || has_own(&self.terms.plain)
            || self.terms.special.values().any(has_own);
        let grouping = if debugger || (one && !apart) {
            Grouping::Whole
        } else {
            Grouping::SharedFixtures
        };
        let seed = (self.settings.shuffle).map(|given| given.unwrap_or(self.drawn_seed));
        let order = match seed {
            _ if debugger => Order::Given,
            Some(seed) => Order::Shuffled(seed),
            None if one || ordered => Order::Given,
            None => Order::LongestFirst,
        };
        let units = units(templates.iter().map(Vec::as_slice), grouping);
        let mut jobs: Vec<Job> = units.into_iter().map(|unit| self.job(unit)).collect();
        if let Repeat::Times(times) = self.settings.repeat {
            repeat(&mut jobs, times.get());
        }
        if self.settings.repeat != Repeat::ONCE {
            for job in &mut jobs {
                job.lane = job.lane.max(Lane::Own);
            }
        }
        self.next_unit = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
        Plan { jobs, order, seed }
    }

    pub(super) fn job(&self, unit: Unit) -> Job {
        let mut claim = Claim::default();
        let mut lane = Lane::Shared;
        for test in &unit.tests {
            let terms = self.terms.of(test);
            claim = claim.or(&terms.claim);
            lane = lane.max(terms.lane);
        }
        if lane == Lane::Sealed {
            claim.tokens.insert(unwalled(), 1);
        }
        let (expected, cpu) = self.expected(&unit.tests, lane);
        if self.load.by_cpu {
            // What is measured stands in for what nobody has said.
            let memory = unit.tests.iter().filter_map(|test| self.past.get(test));
            let memory = memory.map(|past| past.memory).max().unwrap_or_default();
            if claim.cpu == MilliCpu(0) {
                claim.cpu = cpu;
            }
            if claim.memory == Bytes(0) {
                claim.memory = memory;
            }
        }
        Job {
            unit,
            claim,
            expected,
            lane,
        }
    }

    /// How long these tests took together, where that is known of each; and what part of a
    /// processor they used.
    fn expected(&self, tests: &[TestId], lane: Lane) -> (Option<Duration>, MilliCpu) {
        let mut elapsed = Duration::ZERO;
        let mut cpu = Duration::ZERO;
        for test in tests {
            let Some(past) = self.past.get(test) else {
                return (None, unknown(lane));
            };
            elapsed += past.elapsed;
            cpu += past.cpu;
        }
        (Some(elapsed), share(elapsed, cpu, lane))
    }

    /// A test that is to be tried again, by itself.
    pub(super) fn again(&mut self, test: TestId, worker: WorkerId) -> Option<Job> {
        let template = self.workers.get_mut(worker)?.template;
        let id = UnitId(self.next_unit);
        self.next_unit = self.next_unit.saturating_add(1);
        let tests = vec![test];
        let unit = Unit {
            id,
            template,
            tests,
        };
        let mut job = self.job(unit);
        job.lane = job.lane.max(Lane::Own);
        Some(job)
    }

    fn count_outstanding(&mut self, jobs: &[Job]) {
        for test in jobs.iter().flat_map(|job| &job.unit.tests) {
            *self.outstanding.entry(test.clone()).or_default() += 1;
        }
    }

    /// The next round of tests that are run until one fails. False where there is none.
    pub(super) fn next_round(&mut self, effects: &mut Vec<Effect>) -> bool {
        if self.round.is_empty() || self.stop.is_some() || self.failures > 0 {
            return false;
        }
        let jobs = self.round.clone();
        self.count_outstanding(&jobs);
        for job in jobs {
            self.plan(Input::Add(job), effects);
        }
        true
    }

    /// The order to run these tests.
    pub(super) fn order(&self, tests: Vec<TestId>) -> ToWorker {
        let to_run = |test: TestId| {
            let terms = self.terms.of(&test);
            let limits = &terms.timeouts;
            let micros = |limit: Option<Duration>| {
                limit.map(|limit| u64::try_from(limit.as_micros()).unwrap_or(u64::MAX))
            };
            let limits = Limits {
                setup: micros(limits.setup),
                call: micros(limits.call),
                teardown: micros(limits.teardown),
            };
            let is_limited = limits.setup.or(limits.call).or(limits.teardown).is_some();
            let unavailable = self.models.why(&test);
            ToRun {
                limits: is_limited.then_some(limits),
                env: self.variables(&test),
                may_be_retried: terms.retries > 0 && unavailable.is_none(),
                unavailable,
                test,
            }
        };
        let tests = tests.into_iter().map(to_run).collect();
        ToWorker::Run { tests }
    }

    /// What is set while a test runs: what rules say, and that the Hub is not asked for what is
    /// in the cache.
    fn variables(&self, test: &TestId) -> BTreeMap<String, String> {
        let mut variables = self.terms.of(test).env.clone();
        if self.models.is_offline(test) {
            for name in ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"] {
                let set = variables.entry(name.to_owned());
                set.or_insert_with(|| "1".to_owned());
            }
        }
        variables
    }
}

/// What each sealed unit holds. There is one where it has no walls.
fn unwalled() -> TokenName {
    TokenName::new("dyno.unwalled").expect("a name of letters and dots")
}

/// What is to be run, and in which order.
struct Plan {
    jobs: Vec<Job>,
    order: Order,
    seed: Option<u64>,
}

/// Each so often, one round after the other.
fn repeat(jobs: &mut Vec<Job>, times: u32) {
    let round = jobs.clone();
    for _ in 1..times {
        let next = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
        for (job, place) in round.iter().zip(0..) {
            let mut job = job.clone();
            job.unit.id = UnitId(next.saturating_add(place));
            jobs.push(job);
        }
    }
}

/// What a failure of each test is headed with.
fn headlines(items: &[Item]) -> HashMap<TestId, String> {
    let of = |item: &Item| (item.id.clone(), item.location.domain.clone());
    items.iter().map(of).collect()
}

/// How many tests have no outcome yet.
pub(super) type Outstanding = BTreeMap<TestId, u32>;
