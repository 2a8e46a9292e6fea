//! The store of replies when there is too much, when machines fail, and `dsp cache`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests run on the machine they run on"
)]

use crate::store::{key, reply, same_file};
use dsp_lang::store::{About, Access, Key, Prune, Store};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn at(seconds: u64, label: &str) -> About<'_> {
    About { label, written: Duration::from_secs(seconds) }
}

fn bytes_in(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir.join("replies-2")).unwrap();
    files.map(|it| it.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn the_oldest_go_when_there_is_too_much() {
    const LIMIT: u64 = 640_000;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap().limited(LIMIT);
    let other = Store::open(dir.path()).unwrap().limited(LIMIT);
    for number in 0..20_000 {
        let store = if number % 3 == 0 { &other } else { &store };
        assert!(store.put_if_absent(&key(number), &reply(number)).unwrap());
        if number % 500 == 0 {
            assert!(bytes_in(dir.path()) < LIMIT + 20_000, "{}", bytes_in(dir.path()));
            assert_eq!(store.get(&key(number)).unwrap().to_vec(), reply(number));
        }
    }
    let fresh = Store::open(dir.path()).unwrap();
    let there: Vec<bool> = (0..20_000).map(|it| fresh.get(&key(it)).is_some()).collect();
    let kept = there.iter().filter(|it| **it).count();
    assert!(kept as u64 > LIMIT / 2 / 300 && bytes_in(dir.path()) > LIMIT / 2, "{kept}");
    assert!(there[19_900..].iter().all(|it| *it), "the newest stay");
    assert!(!there[..10_000].iter().any(|it| *it), "the oldest go");
    for store in [&store, &other, &fresh] {
        assert!((0..20_000).all(|it| store.get(&key(it)).is_none_or(|got| *got == *reply(it))));
        assert!(store.warnings().is_empty());
    }
}

#[test]
fn a_reply_that_is_longer_than_all_may_be_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap().limited(1000);
    let long = vec![b'x'; 50_000];
    for number in 0..4 {
        assert!(store.put_if_absent(&same_file(number), &long).unwrap());
        let fresh = Store::open(dir.path()).unwrap();
        assert_eq!(fresh.get(&same_file(number)).unwrap().to_vec(), long);
    }
    assert!(bytes_in(dir.path()) < 60_000, "and the one before it goes");
}

#[test]
fn memory_alone_is_bounded() {
    let store = Store::in_memory();
    let long = vec![b'x'; 300_000];
    for number in 0..3000 {
        store.put_if_absent(&key(number), &long).unwrap();
    }
    assert!(store.size().bytes < 270_000_000, "{:?}", store.size());
    assert!(store.get(&key(2999)).is_some() && store.get(&key(0)).is_none());
}

#[test]
fn what_is_dropped_is_what_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let reader = Store::open(dir.path()).unwrap();
    for number in 0..300 {
        let label = if number % 3 == 0 { "a/x" } else { "b/y" };
        store.put_about(&key(number), &at(1000 + number as u64, label), b"0123456789").unwrap();
        assert!(reader.get(&key(number)).is_some());
    }
    let survey = store.survey().unwrap();
    assert_eq!(
        (survey.entries, survey.labels["a/x"].0, survey.labels["b/y"].0),
        (300, 100, 200)
    );
    let (oldest, newest) = (Duration::from_secs(1000), Duration::from_secs(1299));
    assert_eq!((survey.oldest, survey.newest), (Some(oldest), Some(newest)));
    assert_eq!(survey.bytes, 300 * (61 + 3 + 10));

    let nothing = store.prune(&Prune { max_bytes: Some(1 << 20), ..Prune::default() }).unwrap();
    assert_eq!((nothing.entries, nothing.bytes), (0, 0));
    let before = Some(Duration::from_secs(1050));
    let dropped = store.prune(&Prune { before, ..Prune::default() }).unwrap();
    assert_eq!((dropped.entries, dropped.bytes), (50, 50 * 74));
    let dropped = store.prune(&Prune { max_bytes: Some(740), ..Prune::default() }).unwrap();
    assert_eq!(dropped.entries, 240);
    let there =
        |it: &Store| (0..300).filter(|n| it.get(&key(*n)).is_some()).collect::<Vec<_>>();
    assert_eq!(there(&store), (290..300).collect::<Vec<_>>());
    assert_eq!(there(&Store::open(dir.path()).unwrap()), (290..300).collect::<Vec<_>>());
    // Who had read them has them in memory still, and puts what is gone again.
    assert!(!reader.put_if_absent(&key(5), b"again").unwrap());
    assert!(store.put_if_absent(&key(5), b"again").unwrap());
    assert_eq!(store.prune(&Prune { all: true, ..Prune::default() }).unwrap().entries, 11);
    assert_eq!(store.size().entries, 0);
    assert!(store.put_if_absent(&key(5), b"once more").unwrap());
    assert_eq!(&*Store::open(dir.path()).unwrap().get(&key(5)).unwrap(), b"once more");
    assert!(store.warnings().is_empty() && reader.warnings().is_empty());
}

/// A record of the layout before.
fn old_record(key: &Key, reply: &[u8]) -> Vec<u8> {
    let sum = Sha256::new().chain_update(key.as_bytes()).chain_update(reply).finalize();
    let mut record = b"dsR1".to_vec();
    record.extend((reply.len() as u32).to_le_bytes());
    record.extend(key.as_bytes());
    record.extend(&sum[..8]);
    let check = Sha256::digest(&record);
    record.extend(&check[..4]);
    record.extend(reply);
    record
}

fn old_store(dir: &Path, replies: usize) {
    let place = dir.join("replies-1");
    std::fs::create_dir_all(&place).unwrap();
    for number in 0..replies {
        let key = key(number);
        let file = place.join(format!("{:02x}.log", key.as_bytes()[0] % 64));
        let mut text = std::fs::read(&file).unwrap_or_default();
        text.extend(old_record(&key, &reply(number)));
        std::fs::write(&file, text).unwrap();
    }
}

#[test]
fn replies_of_the_layout_before_are_found() {
    let dir = tempfile::tempdir().unwrap();
    old_store(dir.path(), 100);
    let store = Store::open(dir.path()).unwrap();
    for number in 0..100 {
        assert_eq!(store.get(&key(number)).unwrap().to_vec(), reply(number));
        assert!(!store.put_if_absent(&key(number), b"other").unwrap());
    }
    store.put_about(&key(100), &at(5, "a/x"), b"new").unwrap();
    let survey = store.survey().unwrap();
    assert_eq!((survey.entries, survey.labels[""].0, survey.labels["a/x"].0), (101, 100, 1));
    assert_eq!(survey.oldest, Some(Duration::from_secs(5)));
    assert_eq!(store.verify(false).unwrap().whole, 101);
    // They have no time, and count as older than all others.
    let before = Some(Duration::from_secs(5));
    assert_eq!(store.prune(&Prune { before, ..Prune::default() }).unwrap().entries, 100);
    assert_eq!(store.size().entries, 1);
    assert!(store.get(&key(100)).is_some() && store.get(&key(1)).is_none());
    assert!(store.warnings().is_empty());
}

#[test]
fn replies_of_the_layout_before_go_first() {
    let dir = tempfile::tempdir().unwrap();
    old_store(dir.path(), 400);
    let store = Store::open(dir.path()).unwrap().limited(100_000);
    for number in 1000..3000 {
        store.put_if_absent(&key(number), &reply(number)).unwrap();
    }
    assert!((0..400).all(|it| Store::open(dir.path()).unwrap().get(&key(it)).is_none()));
    assert!(store.get(&key(2999)).is_some());
    assert!(store.survey().unwrap().bytes < 120_000);
}

/// Not a test of its own: what the other processes of the tests below run.
#[test]
#[ignore = "run by other tests"]
fn cache_child_process() {
    let Ok(dir) = std::env::var("DSP_TEST_STORE") else { return };
    let child: usize = std::env::var("DSP_TEST_CHILD").unwrap().parse().unwrap();
    let store = Store::open(dir).unwrap().limited(64_000);
    for number in 0.. {
        let number = number * 7 + child;
        store.put_if_absent(&key(number), &reply(number)).unwrap();
        let got = store.get(&key(number)).expect("what was just put is there");
        assert_eq!(got.to_vec(), reply(number));
        if number % 50 == child {
            store.prune(&Prune { max_bytes: Some(20_000), ..Prune::default() }).unwrap();
        }
        assert_eq!(store.warnings(), Vec::<String>::new());
    }
}

fn child(dir: &Path, number: usize) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--nocapture", "cache_child_process"])
        .env("DSP_TEST_STORE", dir)
        .env("DSP_TEST_CHILD", number.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn processes_put_and_drop_at_once_and_die() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..6_u64 {
        let mut children: Vec<_> = (0..3).map(|number| child(dir.path(), number)).collect();
        let start = Instant::now();
        let reader = Store::open(dir.path()).unwrap();
        while start.elapsed() < Duration::from_millis(150 + 11 * round) {
            for number in 0..300 {
                assert!(reader.get(&key(number)).is_none_or(|it| *it == *reply(number)));
            }
        }
        for child in &mut children {
            assert_eq!(child.try_wait().unwrap(), None, "a process failed");
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(reader.warnings(), Vec::<String>::new());
        let store = Store::open(dir.path()).unwrap();
        let verdict = store.verify(false).unwrap();
        assert_eq!((verdict.damaged.len(), verdict.stray), (0, 0), "a kill is no damage");
        let marker = Key::of(["marker", &round.to_string()]);
        assert!(store.put_if_absent(&marker, b"x").unwrap());
        assert!(Store::open(dir.path()).unwrap().get(&marker).is_some());
        assert_eq!(store.warnings(), Vec::<String>::new());
    }
}

#[test]
fn damage_is_found_and_mended() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    for number in 0..10 {
        store.put_about(&same_file(number), &at(9, "a/x"), &reply(number)).unwrap();
    }
    let file = dir.path().join("replies-2").join("00.log");
    let mut bytes = std::fs::read(&file).unwrap();
    // A byte of the first reply, and the head of the third.
    bytes[61 + 3 + 2] ^= 1;
    let third = (0..2).map(|it| 61 + 3 + reply(it).len()).sum::<usize>();
    bytes[third + 10] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let verdict = Store::open(dir.path()).unwrap().verify(false).unwrap();
    assert_eq!((verdict.whole, verdict.damaged.len()), (8, 1));
    assert_eq!((verdict.damaged[0].key, verdict.damaged[0].offset), (same_file(0), 0));
    assert_eq!(verdict.stray as usize, 61 + 3 + reply(2).len());
    let mending = Store::open(dir.path()).unwrap();
    assert_eq!(mending.verify(true).unwrap().dropped.entries, 1);
    let verdict = Store::open(dir.path()).unwrap().verify(false).unwrap();
    assert_eq!((verdict.whole, verdict.damaged.len(), verdict.stray), (8, 0, 0));
    for number in 0..10 {
        let there = Store::open(dir.path()).unwrap().get(&same_file(number));
        assert_eq!(there.is_some(), ![0, 2].contains(&number), "{number}");
    }
}

/// Whatever fails, replies of this run are there, and one sentence says why they will not stay.
#[test]
fn what_fails_is_told_once() {
    let stale = || io::Error::from(io::ErrorKind::StaleNetworkFileHandle);
    let broken: [(Access, fn() -> io::Error); 4] = [
        (Access::Lock, || io::Error::from(io::ErrorKind::Unsupported)),
        (Access::Write, || io::Error::from(io::ErrorKind::StorageFull)),
        (Access::Write, || io::Error::other("input/output error")),
        (Access::Open, || io::Error::from(io::ErrorKind::ReadOnlyFilesystem)),
    ];
    for (access, why) in broken {
        let dir = tempfile::tempdir().unwrap();
        Store::open(dir.path()).unwrap().put_if_absent(&key(0), b"before").unwrap();
        let failing = move |it| if it == access { Err(why()) } else { Ok(()) };
        let store = Store::open(dir.path()).unwrap().failing(failing);
        for number in 1..200 {
            assert!(store.put_if_absent(&key(number), &reply(number)).unwrap());
            assert_eq!(store.get(&key(number)).unwrap().to_vec(), reply(number));
        }
        assert_eq!(store.get(&key(0)).is_some(), access != Access::Open);
        assert!(!store.is_lasting());
        let warnings = store.warnings();
        assert_eq!(warnings.len(), 1, "{access:?}: {warnings:?}");
        assert!(warnings[0].contains("they are kept until the program ends"), "{warnings:?}");
        let after = Store::open(dir.path()).unwrap();
        assert_eq!((after.size().entries, after.warnings().len()), (1, 0), "nothing half done");
    }
    // A server that forgot a file: it is opened anew.
    let dir = tempfile::tempdir().unwrap();
    Store::open(dir.path()).unwrap().put_if_absent(&key(0), b"before").unwrap();
    let is_first = Arc::new(AtomicBool::new(true));
    let store = Store::open(dir.path()).unwrap().failing(move |it| {
        match it == Access::Read && is_first.swap(false, Ordering::SeqCst) {
            true => Err(stale()),
            false => Ok(()),
        }
    });
    assert_eq!(&*store.get(&key(0)).unwrap(), b"before");
    assert!(!store.put_if_absent(&key(0), b"other").unwrap());
    assert_eq!(store.warnings().len(), 1);
}

/// A disk that reads fail on is not written over.
#[test]
fn what_cannot_be_read_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let before = Store::open(dir.path()).unwrap();
    assert!((0..20).all(|it| before.put_if_absent(&same_file(it), &reply(it)).unwrap()));
    let length = bytes_in(dir.path());
    let store = Store::open(dir.path()).unwrap().failing(|it| match it {
        Access::Read => Err(io::Error::other("input/output error")),
        _ => Ok(()),
    });
    for number in 0..20 {
        assert_eq!(store.get(&same_file(number)), None);
        assert!(store.put_if_absent(&same_file(number), b"again").unwrap());
    }
    assert!(bytes_in(dir.path()) >= length);
    let after = Store::open(dir.path()).unwrap();
    assert!((0..20).all(|it| *after.get(&same_file(it)).unwrap() == *reply(it)));
}

/// A real disk that is full, where one may be made.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up() {
    let dir = tempfile::tempdir().unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(dir.path())
        .stderr(Stdio::null())
        .status();
    if !mount.is_ok_and(|it| it.success()) {
        println!("left out: no file system may be mounted here");
        return;
    }
    let failed = std::panic::catch_unwind(|| {
        let store = Store::open(dir.path()).unwrap();
        for number in 0..3000 {
            assert!(store.put_if_absent(&key(number), &reply(number)).unwrap());
        }
        assert!((0..3000).all(|it| *store.get(&key(it)).unwrap() == *reply(it)));
        let warnings = store.warnings();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("No space left"), "{warnings:?}");
        // Who has a file open keeps its room.
        drop(store);
        let after = Store::open(dir.path()).unwrap();
        let verdict = after.verify(false).unwrap();
        assert!(verdict.whole > 100 && verdict.damaged.is_empty() && verdict.stray == 0);
        // What is dropped needs room for what stays; on a full disk all can go.
        assert!(after.prune(&Prune { all: true, ..Prune::default() }).unwrap().entries > 100);
        assert!(after.put_if_absent(&Key::of(["after"]), b"x").unwrap());
        assert_eq!((after.is_lasting(), after.warnings()), (true, Vec::new()));
        drop(after);
        // Other tests start processes, which have our files open for a moment.
        let read_only = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            let mut mount = Command::new("mount");
            mount.args(["-o", "remount,ro"]).arg(dir.path()).stderr(Stdio::null());
            mount.status().unwrap().success()
        });
        assert!(read_only, "it cannot be made read-only");
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(&*store.get(&Key::of(["after"])).unwrap(), b"x");
        assert!(store.put_if_absent(&key(1), b"one").unwrap());
        assert_eq!(&*store.get(&key(1)).unwrap(), b"one");
        let warnings = store.warnings();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].to_lowercase().contains("read-only file system"), "{warnings:?}");
    });
    Command::new("umount").arg("-l").arg(dir.path()).status().unwrap();
    failed.unwrap();
}

fn dsp(home: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dsp")).args(args).env("DSP_HOME", home).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn place(home: &Path) -> PathBuf {
    home.join("cache").join("replies")
}

#[test]
fn the_command_line_looks_drops_and_mends() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let store = Store::open(place(home)).unwrap();
    for number in 0..10 {
        let age = Duration::from_secs(3600 * 24 * number as u64 + 60);
        let about = About { label: "openai/gpt-4o", written: now - age };
        store.put_about(&same_file(number), &about, &[b'x'; 1000]).unwrap();
    }
    let shown = out(&dsp(home, &["cache", "show"]));
    for part in ["replies  10", "10.7 kB of 4.0 GB", "oldest   9 days ago", "openai/gpt-4o"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&out(&dsp(home, &["cache", "show", "--json"]))).unwrap();
    assert_eq!((&json["replies"], &json["bytes"]), (&10.into(), &10_740.into()));
    assert_eq!(json["models"][0]["model"], "openai/gpt-4o");

    let nothing = dsp(home, &["cache", "prune"]);
    assert_eq!(nothing.status.code(), Some(2), "it must be said what goes");
    let pruned = dsp(home, &["cache", "prune", "--older-than", "7d"]);
    assert!(err(&pruned).contains("3 replies, 3.2 kB dropped"), "{}", err(&pruned));
    let whole = dsp(home, &["cache", "verify"]);
    assert_eq!((whole.status.code(), &*out(&whole)), (Some(0), "7 replies whole, 0 damaged\n"));

    let file = place(home).join("replies-2").join("00.log");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[500] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let damaged = dsp(home, &["cache", "verify"]);
    assert_eq!(damaged.status.code(), Some(1));
    assert!(out(&damaged).contains("6 replies whole, 1 damaged"), "{}", out(&damaged));
    assert!(err(&damaged).contains("--repair"));
    assert_eq!(dsp(home, &["cache", "verify", "--repair"]).status.code(), Some(0));
    assert_eq!(dsp(home, &["cache", "verify"]).status.code(), Some(0));
    assert!(err(&dsp(home, &["cache", "prune", "--all"])).starts_with("6 replies, "));
}

#[test]
fn only_the_user_says_how_much_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let limit = |env: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
        command.args(["cache", "show", "--json"]).env("DSP_HOME", home.path());
        command.envs(env.map(|it| ("DSP_CACHE_MAX_MB", it)));
        let output = command.output().unwrap();
        let json: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
        json["limit"].as_u64().unwrap()
    };
    assert_eq!(limit(None), 4_000_000_000);
    std::fs::create_dir_all(home.path().join("config")).unwrap();
    std::fs::write(home.path().join("config").join("config.toml"), "cache_max_mb = 20\n")
        .unwrap();
    assert_eq!((limit(None), limit(Some("7"))), (20_000_000, 7_000_000));
    let script = home.path().join("a.dsp");
    std::fs::write(&script, "print(1);\n").unwrap();
    std::fs::write(home.path().join("dsp.toml"), "cache_max_mb = 1\n").unwrap();
    let refused = dsp(home.path(), &["run", script.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(err(&refused).contains("E0023"), "{}", err(&refused));
}
