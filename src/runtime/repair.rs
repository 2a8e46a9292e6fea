//! Repair: what a false condition does inside a call of a program.
//!
//! The outermost call keeps a book. Where a condition is false, the call to a model that it came
//! from is to blame; the outermost call is run again, and in it that call is asked again, with
//! its last reply and the reasons. What the other calls ask as before is answered as before,
//! and costs nothing. What an abandoned attempt printed or warned of is not told.
//!
//! A false `suggest` lets the attempt go on until the next call to a model would be paid for,
//! so that all reasons are told at once; a false `assert` ends it where it stands.

use crate::lm::{Address, Completion};
use crate::runtime::blame::{blame, paths_of};
use crate::runtime::course::{Course, Mark};
use crate::runtime::error::{Error, Failure, codes};
use crate::runtime::predictor::BARE;
use crate::runtime::run::Run;
use crate::runtime::value::Val;
use crate::trace::{Attempt, NodeId};
use crate::util::lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// How often a program is run again at most, for each time that one call of it may be asked again.
pub(in crate::runtime) const RUNS: u32 = 5;

/// Behind a path: replies of a script are counted by themselves.
pub(in crate::runtime) const GIVEN: &str = "\u{1}";

/// What counts more than any number of false suggestions.
const ASSERT: usize = 1 << 20;

/// The call that is meant: path, number, branch.
type Place = (String, usize, String);

fn place(address: &Address) -> Place {
    // The second question of a call belongs to it.
    let path = address.path.strip_suffix(crate::runtime::predictor::EXTRACT);
    let path = path.unwrap_or(&address.path);
    (path.to_owned(), address.ordinal, address.branch.clone())
}

/// What a call is told about its last reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::runtime) struct Feedback {
    /// The reply.
    pub(in crate::runtime) reply: String,
    /// What it is to fulfil.
    pub(in crate::runtime) reasons: String,
    /// How often the same reasons were said before.
    pub(in crate::runtime) again: u64,
}

/// The book of an outermost call.
pub(in crate::runtime) struct Repairs {
    /// How often one call may be asked again; 0 is never.
    most: u32,
    /// The course of the run that keeps it.
    course: Arc<Mutex<Course>>,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    /// The node of the attempt under way.
    root: Option<NodeId>,
    /// Calls of the attempts before this one, the newest last.
    known: BTreeMap<Place, Vec<NodeId>>,
    /// Calls that were sent back.
    blamed: BTreeMap<Place, Blamed>,
    /// How often the program was run again with something new to say.
    runs: u32,
    /// The call that the attempt was made again for.
    told: Option<Place>,
    /// How many replies of a script the calls of each path were given before this attempt;
    /// nothing in the first.
    given: Option<BTreeMap<String, usize>>,
    /// Why a call could not be asked again.
    failed: Option<String>,
    /// What the attempt printed.
    printed: String,
}

/// A condition that was false, and the call that it came from.
#[derive(Debug)]
pub(in crate::runtime) struct Demand {
    place: Place,
    /// The condition in the program's words, and what is told of it.
    condition: String,
    reason: String,
    weight: usize,
    /// Whether the attempt is to be made again for it.
    is_open: bool,
}

impl Demand {
    /// Whether the attempt is to be made again for it.
    pub(in crate::runtime) fn is_open(&self) -> bool {
        self.is_open
    }
}

/// What becomes of a false condition where the attempt goes on.
#[derive(Debug)]
pub(in crate::runtime) enum Verdict {
    /// The attempt will be made again.
    MadeAgain,
    /// Nothing is left to try; what was tried, in words.
    Stands(Option<String>),
}

/// A call that was sent back.
#[derive(Default)]
struct Blamed {
    /// What it was told, each time that it was asked again.
    told: Vec<Feedback>,
    /// How much was wrong with each of its replies.
    broken: Vec<usize>,
    /// What is to hold, by condition.
    reasons: Vec<(String, String)>,
    /// Which of its replies is the best, once there are no more.
    kept: Option<usize>,
}

impl std::fmt::Debug for Repairs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repairs").field("most", &self.most).finish_non_exhaustive()
    }
}

/// Makes an outermost call of a program, and makes it again while what must hold in it can be
/// repaired. `once` makes one attempt, as a retry of the node that it is given, and returns its
/// node.
pub(in crate::runtime) fn repaired(
    run: &Arc<Run>,
    wanted: bool,
    mut once: impl FnMut(Option<NodeId>) -> (NodeId, Result<Val, Error>),
) -> Result<Val, Error> {
    if run.repairs().is_some() || !run.script().has_conditions() {
        return match wanted {
            true => once(None).1,
            false => run.unrepaired(|| once(None).1),
        };
    }
    let most = if wanted { run.session().settings.repairs } else { 0 };
    let course = run.course.clone();
    let repairs = Arc::new(Repairs { most, course, book: Mutex::default() });
    run.set_repairs(Some(repairs.clone()));
    let mark = lock(&run.course).mark();
    let mut earlier = None;
    let result = loop {
        let (root, result) = once(earlier);
        if !repairs.begins_again(root, &result, &mark) {
            break result;
        }
        lock(&run.course).rewind(&mark);
        earlier = Some(root);
    };
    run.set_repairs(None);
    lock(&run.course).take_demands();
    run.print(&std::mem::take(&mut lock(&repairs.book).printed));
    result
}

/// What ends an attempt; nobody can catch it but the outermost call.
fn sent_back(reason: &str) -> Error {
    let failure = Failure::new(codes::ASSERT, "assert", reason);
    Failure { fatal: true, sent_back: true, ..failure }.into()
}

/// What ends an attempt that is made again anyhow, before more is paid for it.
pub(in crate::runtime) fn given_up() -> Error {
    sent_back("what must hold does not, and the program is run again")
}

impl Repairs {
    /// Whether a run keeps it, and prints into it.
    pub(in crate::runtime) fn holds_prints_of(&self, run: &Run) -> bool {
        self.most > 0 && Arc::ptr_eq(&self.course, &run.course)
    }

    /// Notes which node the attempt is.
    pub(in crate::runtime) fn begin(&self, root: NodeId) {
        lock(&self.book).root.get_or_insert(root);
    }

    /// Keeps what is printed until the attempt is known to stand.
    pub(in crate::runtime) fn print(&self, text: &str) {
        lock(&self.book).printed.push_str(text);
    }

    /// What a call is to be told.
    pub(in crate::runtime) fn told(&self, address: &Address) -> Option<Feedback> {
        let book = lock(&self.book);
        let blamed = book.blamed.get(&place(address))?;
        // The first of its replies was to a question alone.
        let latest = blamed.kept.unwrap_or(blamed.told.len());
        blamed.told.get(latest.checked_sub(1)?).cloned()
    }

    /// The node of the last attempt at a call.
    pub(in crate::runtime) fn earlier(&self, address: &Address) -> Option<NodeId> {
        lock(&self.book).known.get(&place(address))?.last().copied()
    }

    /// How many replies of a script calls of a path were given before this attempt; nothing in
    /// the first.
    pub(in crate::runtime) fn given(&self, path: &str) -> Option<usize> {
        let book = lock(&self.book);
        let given = book.given.as_ref()?;
        Some(given.get(path).copied().unwrap_or_default())
    }

    /// The reply that an earlier attempt was given to the same request.
    pub(in crate::runtime) fn reply(
        &self,
        address: &Address,
        key: &str,
    ) -> Option<Arc<Completion>> {
        let known = lock(&self.book).known.get(&place(address)).cloned()?;
        let mut course = lock(&self.course);
        known.iter().rev().find_map(|id| {
            let call = course.read(*id)?.0.call?;
            let same = |it: &&Attempt| it.key == key && it.completion.is_some();
            call.attempts.iter().find(same)?.completion.clone()
        })
    }

    /// What becomes of a false condition: an error ends the attempt, which is made again.
    pub(in crate::runtime) fn demand(
        &self,
        run: &Run,
        node: NodeId,
        (condition, reason): (&str, &str),
        is_assert: bool,
        retry: &Val,
    ) -> Result<Verdict, Error> {
        let root = lock(&self.book).root.filter(|_| self.most > 0 && run.is_repairing());
        let Some(root) = root else {
            return Ok(Verdict::Stands(None));
        };
        let blamed = blame(run, node, root, retry).and_then(|it| run.read_node(it));
        let Some((call, _)) = blamed else {
            let unasked = (!retry.is_null()).then(|| {
                let named = paths_of(retry).join("`, `");
                format!("`{named}`, which `retry:` names, was not asked before")
            });
            return Ok(Verdict::Stands(unasked));
        };
        let place = place(&call.address);
        let weight = if is_assert { ASSERT } else { 1 };
        let tried = self.tried(&place);
        let is_open = {
            let book = lock(&self.book);
            let has_runs = book.runs < RUNS * self.most;
            match book.blamed.get(&place) {
                None => has_runs,
                Some(it) if it.kept.is_some() => false,
                // Where no more can be said, an earlier reply may have been a better one.
                Some(it) => {
                    let had_better = it.broken.iter().any(|it| *it < weight);
                    (has_runs && it.asked() < self.most) || (is_assert && had_better)
                }
            }
        };
        let (condition, reason) = (condition.to_owned(), reason.to_owned());
        let again = sent_back(&reason);
        let demand = Demand { place, condition, reason, weight, is_open };
        lock(&run.course).demands.push(demand);
        match (is_open, is_assert) {
            (true, true) => Err(again),
            (true, false) => Ok(Verdict::MadeAgain),
            (false, _) => Ok(Verdict::Stands(tried)),
        }
    }

    /// Whether a call would be asked again for an assert that is false of its reply.
    pub(in crate::runtime) fn may_ask_again(&self, address: &Address) -> bool {
        let book = lock(&self.book);
        let blamed = book.blamed.get(&place(address));
        let has_turns = blamed.is_none_or(|it| it.kept.is_none() && it.asked() < self.most);
        book.root.is_some() && book.runs < RUNS * self.most && has_turns
    }

    /// How often a call was asked again, in words.
    fn tried(&self, place: &Place) -> Option<String> {
        let book = lock(&self.book);
        let asked = book.blamed.get(place)?.asked();
        let times = match asked {
            0 => return None,
            1 => "once".to_owned(),
            2 => "twice".to_owned(),
            more => format!("{more} times"),
        };
        Some(match &*place.0 {
            BARE => format!("it was asked again {times}"),
            path => format!("`{path}` was asked again {times}"),
        })
    }

    /// Why a call that is to blame could not be asked again.
    pub(in crate::runtime) fn failure(&self) -> Option<String> {
        lock(&self.book).failed.clone()
    }

    /// Whether an attempt that came to this is made again; what is to be said then is noted.
    fn begins_again(&self, root: NodeId, result: &Result<Val, Error>, mark: &Mark) -> bool {
        if self.most == 0 {
            return false;
        }
        let demands = lock(&self.course).take_demands();
        if let Err(error) = result
            && !error.is_sent_back()
            && (error.is_fatal() || demands.is_empty())
        {
            return self.begins_again_without(root, error, mark);
        }
        if demands.is_empty() {
            return false;
        }
        let calls = lock(&self.course).calls_from(root);
        let mut book = lock(&self.book);
        let wanted = calls.iter().map(|it| place(&it.1)).find(|place| {
            let of_it = demands.iter().filter(|it| it.place == *place);
            let (mut open, mut broken) = (false, 0);
            for demand in of_it {
                open |= demand.is_open;
                broken += demand.weight;
            }
            let kept_better = || {
                let blamed = book.blamed.get(place).filter(|it| it.kept.is_none());
                blamed.is_some_and(|it| it.broken.iter().any(|it| *it < broken))
            };
            open || (broken > 0 && kept_better())
        });
        let Some(place) = wanted else { return false };
        let reply = calls.iter().rev().find(|it| self::place(&it.1) == place);
        let reply = reply.map(|it| it.2.clone()).unwrap_or_default();
        let demands = demands.into_iter().filter(|it| it.place == place).collect();
        let has_runs = book.runs < RUNS * self.most;
        let blamed = book.blamed.entry(place.clone()).or_default();
        let says_more = has_runs && blamed.asked() < self.most;
        blamed.is_wanting(demands, says_more.then_some(reply));
        book.told = says_more.then_some(place);
        book.runs += u32::from(says_more);
        book.turn_over(calls, &lock(&self.course), mark);
        true
    }

    /// Where the call that was to be asked again could not be, its earlier replies are what there
    /// is: what was paid for is not lost.
    fn begins_again_without(&self, root: NodeId, error: &Error, mark: &Mark) -> bool {
        let failure = error.failure().filter(|it| it.code != codes::CANCELLED);
        let Some(failure) = failure else { return false };
        let calls = lock(&self.course).calls_from(root);
        let mut book = lock(&self.book);
        let Some(place) = book.told.take() else { return false };
        let has_failed = calls.iter().rev().find(|it| self::place(&it.1) == place);
        let has_failed = has_failed.is_some_and(|(id, ..)| {
            lock(&self.course).read(*id).is_some_and(|it| it.0.outputs.is_none())
        });
        let Some(blamed) = book.blamed.get_mut(&place).filter(|_| has_failed) else {
            return false;
        };
        blamed.keep_best();
        book.failed = Some(failure.message);
        book.turn_over(calls, &lock(&self.course), mark);
        true
    }
}

impl Book {
    /// Goes on to the next attempt; `calls` are those of the last one.
    fn turn_over(
        &mut self,
        calls: Vec<(NodeId, Address, String)>,
        course: &Course,
        mark: &Mark,
    ) {
        let given = self.given.get_or_insert_with(|| mark.ordinals().clone());
        for (path, count) in course.ordinals() {
            if let Some(path) = path.strip_suffix(GIVEN) {
                *given.entry(path.to_owned()).or_default() += count;
            }
        }
        self.printed.clear();
        self.root = None;
        for (id, address, _) in calls {
            self.known.entry(place(&address)).or_default().push(id);
        }
    }
}

impl Blamed {
    /// How often it was asked again.
    fn asked(&self) -> u32 {
        u32::try_from(self.told.len()).unwrap_or(u32::MAX)
    }

    /// Notes what was wrong with its last reply; with `reply` it is asked again, else the reply
    /// with which the least was wrong is kept, the first of several.
    fn is_wanting(&mut self, demands: Vec<Demand>, reply: Option<String>) {
        self.broken.push(demands.iter().map(|it| it.weight).sum());
        for demand in demands.into_iter().rev() {
            self.reasons.retain(|it| it.0 != demand.condition);
            self.reasons.insert(0, (demand.condition, demand.reason));
        }
        match reply {
            Some(reply) => self.told.push(self.feedback(reply)),
            None => self.keep_best(),
        }
    }

    fn keep_best(&mut self) {
        self.kept = (0..self.broken.len()).min_by_key(|at| self.broken[*at]);
    }

    fn feedback(&self, reply: String) -> Feedback {
        let mut reasons: Vec<&str> = Vec::new();
        for (_, reason) in &self.reasons {
            if !reasons.contains(&reason.as_str()) {
                reasons.push(reason);
            }
        }
        let reasons = reasons.join("; ");
        // Layouts shorten replies, so that other ones may make the same prompt.
        let same = |it: &&Feedback| it.reasons == reasons;
        let told = self.told.iter();
        Feedback { again: told.filter(same).count() as u64, reply, reasons }
    }
}
