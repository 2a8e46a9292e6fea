//! Searches that are killed at any byte of their journal and gone on with: the state is that of
//! an uninterrupted one, and no call whose reply had arrived is made again.

use crate::answering;
use dsp_lang::Engine;
use dsp_lang::engine::{Finished, Searched, Wanted};
use dsp_lang::eval::Keep;
use dsp_lang::eval::journal;
use dsp_lang::host::{Entry, Host, MemoryHost, Place, SharedHost};
use dsp_lang::lm::{
    CallContext, CallFuture, Capabilities, Completion, Lm, Request, SharedLm, Usage,
};
use dsp_lang::store::{Error, Key, Replies};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SCRIPT: &str = r"
signature Plan { in question: str  out topic: str }
signature Solve { in question: str  in topic: str  out answer: int }
module Qa() {
    let plan = predict(Plan);
    let solve = predict(Solve);
    fn forward(question) {
        let topic = plan(question: question).topic;
        solve(question: question, topic: topic)
    }
}
const qa = Qa();
fn right(e, r) { e.answer == r.answer }
";

/// Where the state goes, and where runs are kept.
const OUTPUT: &str = "out/tuned.json";
const RUNS: &str = "runs";

/// A number that looks random and depends on the text only.
fn hash(text: &str) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}

/// A model that answers by the request alone, and counts what it is asked.
#[derive(Debug, Default)]
struct Counting {
    cacheable: bool,
    asked: Mutex<BTreeMap<Key, usize>>,
}

const IDENTITY: &str = "counting";

fn key(request: &Request) -> Key {
    Key::of([IDENTITY.as_bytes(), &serde_json::to_vec(request).unwrap()])
}

impl Counting {
    fn total(&self) -> usize {
        self.asked.lock().unwrap().values().sum()
    }
}

impl Lm for Counting {
    fn name(&self) -> &str {
        "counting"
    }

    fn identity(&self) -> String {
        IDENTITY.to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            chat: true,
            template: false,
            in_process: true,
            nonblocking: false,
            parallel: 4,
            cacheable: self.cacheable,
            ..Capabilities::PLAIN
        }
    }

    fn complete<'a>(&'a self, request: &'a Request, _: &'a CallContext) -> CallFuture<'a> {
        Box::pin(async move {
            *self.asked.lock().unwrap().entry(key(request)).or_default() += 1;
            let number = hash(&serde_json::to_string(request).unwrap());
            // So that several are under way at once.
            std::thread::sleep(Duration::from_micros(100 + number % 400));
            let text = match number % 7 {
                0 => "I cannot say.".to_owned(),
                it => answering::reply(request, it, &["plan", "solve"]),
            };
            let usage = Usage {
                prompt_tokens: Some(50),
                completion_tokens: Some(9),
                ..Usage::default()
            };
            Ok(Completion { text, usage, attempts: 1, ..Completion::default() })
        })
    }
}

/// The length of the journal at that time, and the reply.
type Put = (usize, Arc<[u8]>);

/// A store that remembers how long the journal was when a reply was put.
#[derive(Debug, Default)]
struct Timed {
    host: Option<Arc<MemoryHost>>,
    kept: Mutex<BTreeMap<Key, Put>>,
}

impl Timed {
    /// What it held when the journal had this many bytes.
    fn at(&self, length: usize) -> Self {
        let kept = self.kept.lock().unwrap();
        let early = kept.iter().filter(|(_, (at, _))| *at <= length);
        let kept = early.map(|(key, it)| (*key, it.clone())).collect();
        Self { host: None, kept: Mutex::new(kept) }
    }
}

impl Replies for Timed {
    fn get(&self, key: &Key) -> Option<Arc<[u8]>> {
        self.kept.lock().unwrap().get(key).map(|it| it.1.clone())
    }

    fn put_if_absent(&self, key: &Key, bytes: &[u8]) -> Result<bool, Error> {
        let length = self.host.as_ref().map_or(0, |host| journal_of(host).len());
        self.kept.lock().unwrap().entry(*key).or_insert((length, bytes.into()));
        Ok(true)
    }

    fn is_lasting(&self) -> bool {
        true
    }

    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

fn journal_of(host: &MemoryHost) -> Vec<u8> {
    host.files().remove(Path::new("runs/one.jsonl")).unwrap_or_default()
}

fn rows(from: usize, n: usize) -> String {
    let row = |at| format!("{{\"question\": \"number {at}\", \"answer\": {}}}\n", at % 2);
    (from..from + n).map(row).collect()
}

fn machine() -> MemoryHost {
    MemoryHost::default()
        .with_file("train.jsonl", rows(0, 8))
        .with_file("val.jsonl", rows(100, 5))
}

/// The optimizer of the first tests.
const SEARCH: &str =
    "random_search(metric: right, candidates: 2, max_rounds: 2, max_labeled: 3)";

fn compiled(
    host: SharedHost,
    lm: SharedLm,
    store: Option<Arc<dyn Replies>>,
    resume: bool,
) -> Finished {
    compiled_with(SEARCH, host, lm, store, resume).finished
}

fn compiled_with(
    optimizer: &str,
    host: SharedHost,
    lm: SharedLm,
    store: Option<Arc<dyn Replies>>,
    resume: bool,
) -> Searched {
    let builder = Engine::builder().host(host).model(lm).seed(3).threads(3);
    let builder = match store {
        Some(store) => builder.store(store),
        None => builder.no_cache(),
    };
    let program = builder.build().unwrap().load_text("main.dsp", SCRIPT).unwrap();
    let keep = Keep {
        folder: RUNS.into(),
        id: "one".to_owned(),
        resume,
        program: program.hash(),
        metric: "right".to_owned(),
        command: dsp_lang::schema::Record::new(),
    };
    let wanted = Wanted {
        optimizer,
        program: "qa",
        trainset: "load(\"train.jsonl\")",
        valset: Some("load(\"val.jsonl\")"),
        testset: None,
        keep: Some(&keep),
        output: Path::new(OUTPUT),
    };
    program.compile(&wanted).unwrap()
}

fn state(host: &MemoryHost) -> String {
    let files = host.files();
    String::from_utf8(files.get(Path::new(OUTPUT)).expect("a state was written").clone())
        .unwrap()
}

/// Lines of a journal, as JSON; of the last one, where it is cut off, what is whole but for the line
/// feed.
fn lines(bytes: &[u8]) -> Vec<serde_json::Value> {
    let (whole, rest) =
        bytes.split_at(bytes.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1));
    let lines = whole.split_inclusive(|it| *it == b'\n');
    let last = serde_json::from_slice(rest).ok();
    lines.map(|it| serde_json::from_slice(it).unwrap()).chain(last).collect()
}

/// By request, how many replies had arrived: those in the store, else those in the journal and
/// those of runs that are finished.
fn arrived(bytes: &[u8], store: Option<&Timed>) -> BTreeMap<String, usize> {
    if let Some(store) = store {
        let kept = store.kept.lock().unwrap();
        return kept.keys().map(|key| (key.to_string()[..16].to_owned(), 1)).collect();
    }
    let (mut requests, mut came) = (BTreeMap::new(), BTreeMap::new());
    for line in lines(bytes) {
        if let Some(number) = line["sent"].as_u64() {
            requests.insert(number, line["request"].as_str().unwrap().to_owned());
        } else if let Some(number) = line["ended"].as_u64() {
            *came.entry(requests[&number].clone()).or_default() += 1;
        }
    }
    came
}

/// By request, how often it was about to be sent.
fn sent(bytes: &[u8]) -> BTreeMap<String, usize> {
    let mut sent = BTreeMap::new();
    for line in lines(bytes).iter().filter(|it| !it["sent"].is_null()) {
        *sent.entry(line["request"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    sent
}

/// How many calls were under way at all kills, and how many of them were made again.
fn killed_at_any_byte(optimizer: &str, kills: usize, cached: bool) -> (usize, usize) {
    let lm = Arc::new(Counting { cacheable: true, ..Counting::default() });
    let host = Arc::new(machine());
    let store = Arc::new(Timed { host: Some(host.clone()), ..Timed::default() });
    let given = cached.then(|| store.clone() as Arc<dyn Replies>);
    let Searched { finished, report } =
        compiled_with(optimizer, host.clone(), lm.clone(), given, false);
    assert!(finished.result.is_ok(), "{:?}", finished.result);
    let (told, report) = (finished.warnings, without_time(&report.unwrap().to_value()));
    let (whole, expected) = (journal_of(&host), state(&host));
    let made = lm.asked.lock().unwrap().clone();
    let head = whole.iter().position(|it| *it == b'\n').unwrap() + 1;
    assert!(lm.total() > 10, "{} calls", lm.total());
    let (mut begun_anew, mut in_flight, mut repeated) = (0, 0, 0);
    for kill in 0..kills {
        let cut = whole.len() * kill / (kills - 1);
        let bytes = &whole[..cut];
        let host = Arc::new(machine().with_file("runs/one.jsonl", bytes));
        let store = Arc::new(store.at(cut));
        let arrived = arrived(bytes, cached.then_some(&store));
        let read = journal::read(&*host, Path::new(RUNS), "one");
        if read.is_err() {
            // Nothing of it is readable: it is begun anew.
            assert!(cut < head, "{cut}");
            begun_anew += 1;
        }
        let may_repeat = read.as_ref().map_or(0, |it| it.in_flight().calls);
        let sent = sent(bytes);
        let host = if read.is_ok() { host } else { Arc::new(machine()) };
        let lm = Arc::new(Counting { cacheable: true, ..Counting::default() });
        let given = cached.then(|| store.clone() as Arc<dyn Replies>);
        let Searched { finished, report: again } =
            compiled_with(optimizer, host.clone(), lm.clone(), given, read.is_ok());
        assert!(finished.result.is_ok(), "at {cut}: {:?}", finished.result);
        assert_eq!(finished.warnings, told, "{optimizer}, killed at byte {cut}");
        assert_eq!(state(&host), expected, "{optimizer}, killed at byte {cut}");
        let again = without_time(&again.unwrap().to_value());
        assert_eq!(again, report, "{optimizer}, killed at byte {cut}");
        let mut twice = 0;
        for (key, again) in &*lm.asked.lock().unwrap() {
            let short = &key.to_string()[..16];
            let had = arrived.get(short).copied().unwrap_or_default();
            // Two runs that ask the same at the same moment may both be answered by the model.
            let most = if cached { 3 * usize::from(had == 0) } else { made[key] - had };
            assert!(*again <= most, "at {cut}: {again} calls, {had} of {} had come", made[key]);
            let lost = sent.get(short).copied().unwrap_or_default().saturating_sub(had);
            twice += lost.min(*again);
        }
        assert!(twice <= may_repeat, "at {cut}: {twice} repeated, {may_repeat} were told");
        assert!(may_repeat <= 3, "at {cut}: {may_repeat} in flight of 3 threads");
        (in_flight, repeated) = (in_flight + may_repeat, repeated + twice);
    }
    assert!(begun_anew < kills / 5, "{begun_anew}");
    (in_flight, repeated)
}

/// Where much is under way at most kills.
fn killed_random_search(cached: bool) {
    let (in_flight, repeated) = killed_at_any_byte(SEARCH, 100, cached);
    assert!(in_flight > 10 && repeated > 10, "{in_flight} in flight, {repeated} repeated");
}

#[test]
fn a_search_killed_at_any_byte_comes_to_the_same_state() {
    killed_random_search(true);
}

#[test]
fn without_a_store_the_journal_has_the_replies() {
    killed_random_search(false);
}

/// A machine whose disk takes only so many bytes of journals.
#[derive(Debug)]
struct FullDisk {
    inner: MemoryHost,
    left: AtomicUsize,
    /// How often nothing could be added before there is room again.
    until: AtomicUsize,
}

impl Host for FullDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.inner.read(path)
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.inner.write(path, bytes)
    }
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let left = self.left.load(Ordering::SeqCst);
        let n = left.min(bytes.len());
        self.left.fetch_sub(n, Ordering::SeqCst);
        self.inner.append(path, &bytes[..n])?;
        if n == bytes.len() {
            return Ok(());
        }
        if self.until.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.left.store(usize::MAX, Ordering::SeqCst);
        }
        Err(io::ErrorKind::StorageFull.into())
    }
    fn exists(&self, path: &Path) -> bool {
        self.inner.exists(path)
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        self.inner.list(folder)
    }
    fn env(&self, _: &str) -> Option<String> {
        None
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
    fn since_epoch(&self) -> Duration {
        Duration::ZERO
    }
    fn cpu_time(&self) -> Option<Duration> {
        None
    }
    fn print(&self, _: &str) {}
    fn eprint(&self, _: &str) {}
    fn is_terminal(&self) -> bool {
        false
    }
    fn prints_to_terminal(&self) -> bool {
        false
    }
    fn place(&self, _: Place) -> Option<PathBuf> {
        None
    }
}

#[test]
fn a_full_disk_is_told_and_stops_nothing() {
    let whole = Arc::new(machine());
    let lm = Arc::new(Counting::default());
    compiled(whole.clone(), lm.clone(), None, false).result.unwrap();
    let (expected, all) = (state(&whole), lm.total());
    for part in [0, 1, 3, 7, 9] {
        let left = AtomicUsize::new(journal_of(&whole).len() * part / 10);
        let until = AtomicUsize::new(0);
        let disk = Arc::new(FullDisk { inner: machine(), left, until });
        let lm = Arc::new(Counting::default());
        let finished = compiled(disk.clone(), lm.clone(), None, false);
        assert!(finished.result.is_ok(), "{:?}", finished.result);
        assert_eq!((state(&disk.inner), lm.total()), (expected.clone(), all));
        let told: Vec<&str> = finished.warnings.iter().map(|it| &*it.message).collect();
        assert!(told.iter().any(|it| it.contains("are not kept, so nothing")), "{told:?}");
        if part > 0 {
            // What is there is gone on with.
            let host = Arc::new(machine().with_file("runs/one.jsonl", journal_of(&disk.inner)));
            let lm = Arc::new(Counting::default());
            compiled(host.clone(), lm.clone(), None, true).result.unwrap();
            assert_eq!(state(&host), expected);
            assert!(lm.total() < all, "{} of {all} calls", lm.total());
        }
    }
}

#[test]
fn a_disk_that_has_room_again_gets_all_lines() {
    let left = AtomicUsize::new(4000);
    let disk = Arc::new(FullDisk { inner: machine(), left, until: AtomicUsize::new(3) });
    let finished = compiled(disk.clone(), Arc::new(Counting::default()), None, false);
    assert!(finished.result.is_ok(), "{:?}", finished.result);
    assert!(finished.warnings.is_empty(), "{:?}", finished.warnings);
    let lm = Arc::new(Counting::default());
    let host = Arc::new(machine().with_file("runs/one.jsonl", journal_of(&disk.inner)));
    compiled(host.clone(), lm.clone(), None, true).result.unwrap();
    assert_eq!((state(&host), lm.total()), (state(&disk.inner), 0));
}

/// A report without what differs from run to run: times, and how many calls a store answered.
fn without_time(report: &dsp_lang::schema::Value) -> dsp_lang::schema::Value {
    let dsp_lang::schema::Value::Map(fields) = report else { panic!("a report is a map") };
    let mut fields = (**fields).clone();
    fields.shift_remove("time").expect("a report has its times apart");
    dsp_lang::schema::Value::map(fields)
}

/// All optimizers that make runs, small.
const OPTIMIZERS: [&str; 10] = [
    "bootstrap_few_shot(metric: right, max_rounds: 2)",
    "random_search(metric: right, candidates: 4, race: \"halving\")",
    "copro(metric: right, breadth: 3, depth: 2)",
    "mipro_v2(metric: right, candidates: 3, trials: 5)",
    "gepa(metric: right, rounds: 5)",
    "gepa(metric: right, rounds: 4, components: [\"instructions\", \"descriptions\", \"demos\"])",
    "simba(metric: right, minibatch: 4, candidates: 3, steps: 2)",
    "infer_rules(metric: right, candidates: 2, rules: 2)",
    "better_together(\"demos -> words -> reflect\", metric: right, steps: #{ \
     demos: random_search(metric: right, candidates: 1), \
     words: copro(metric: right, breadth: 2, depth: 1), \
     reflect: gepa(metric: right, rounds: 2) })",
    "tune(metric: right, max_demos: 2, patience: 2, max_calls: 200)",
];

#[test]
fn every_optimizer_goes_on_where_it_was() {
    for optimizer in OPTIMIZERS {
        for cached in [true, false] {
            killed_at_any_byte(optimizer, 12, cached);
        }
    }
}
