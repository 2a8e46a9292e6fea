//! The store of replies: kills, damage, threads and several processes.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests run on the machine they run on"
)]

use dsp_lang::store::{Key, Replies, Store};
use proptest::prelude::*;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub(crate) fn key(number: usize) -> Key {
    Key::of([number.to_string()])
}

/// A key whose replies all lie in one file, so that tests can damage it.
pub(crate) fn same_file(number: usize) -> Key {
    let mut bytes = *key(number).as_bytes();
    bytes[0] = 0;
    Key::from_bytes(bytes)
}

pub(crate) fn reply(number: usize) -> Vec<u8> {
    format!("reply {number} ").repeat(number % 40 + 1).into_bytes()
}

fn file(dir: &Path) -> PathBuf {
    dir.join("replies-2").join("00.log")
}

fn get(store: &Store, key: &Key) -> Option<Vec<u8>> {
    store.get(key).map(|it| it.to_vec())
}

#[test]
fn what_is_put_is_there() {
    let dir = tempfile::tempdir().unwrap();
    for store in [Store::in_memory(), Store::open(dir.path()).unwrap()] {
        assert_eq!(store.get(&key(1)), None);
        assert!(store.put_if_absent(&key(1), b"one").unwrap());
        assert!(!store.put_if_absent(&key(1), b"two").unwrap(), "the first wins");
        assert!(store.put_if_absent(&key(2), b"").unwrap());
        assert_eq!(get(&store, &key(1)).unwrap(), b"one");
        assert_eq!(get(&store, &key(2)).unwrap(), b"");
        assert_eq!(store.size().entries, 2);
        assert!(store.warnings().is_empty());
        let _: &dyn Replies = &store;
    }
    let again = Store::open(dir.path()).unwrap();
    assert_eq!(get(&again, &key(1)).unwrap(), b"one");
    assert_eq!(again.size().entries, 2);
}

#[test]
fn stores_of_one_directory_see_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Store::open(dir.path()).unwrap(), Store::open(dir.path()).unwrap());
    for number in 0..200 {
        let (writer, reader) = if number % 2 == 0 { (&one, &two) } else { (&two, &one) };
        assert_eq!(reader.get(&key(number)), None);
        assert!(writer.put_if_absent(&key(number), &reply(number)).unwrap());
        assert_eq!(get(reader, &key(number)), Some(reply(number)));
        assert!(!reader.put_if_absent(&key(number), b"other").unwrap());
    }
}

#[test]
fn threads_put_each_reply_once() {
    let dir = tempfile::tempdir().unwrap();
    let stores = [Store::open(dir.path()).unwrap(), Store::open(dir.path()).unwrap()];
    let kept = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (store, kept) = (&stores[thread % 2], &kept);
            scope.spawn(move || {
                for number in 0..300 {
                    let bytes = format!("{number} by {thread}");
                    if store.put_if_absent(&key(number), bytes.as_bytes()).unwrap() {
                        kept.fetch_add(1, Ordering::Relaxed);
                    }
                    assert!(store.get(&key(number)).is_some());
                }
            });
        }
    });
    let warnings: Vec<String> = stores.iter().flat_map(Store::warnings).collect();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(kept.load(Ordering::Relaxed), 300);
    for number in 0..300 {
        assert_eq!(stores[0].get(&key(number)), stores[1].get(&key(number)));
    }
}

/// Not a test of its own: what the other processes of the tests below run.
#[test]
#[ignore = "run by other tests"]
fn store_child_process() {
    let Ok(dir) = std::env::var("DSP_TEST_STORE") else { return };
    let child: usize = std::env::var("DSP_TEST_CHILD").unwrap().parse().unwrap();
    let store = Store::open(dir).unwrap();
    let mut kept = 0;
    for number in 0.. {
        if number == 400 && child < 100 {
            break;
        }
        kept += usize::from(store.put_if_absent(&key(number), &reply(number)).unwrap());
        if number == 20 {
            println!("under way");
        }
    }
    let warnings = store.warnings();
    assert!(warnings.is_empty(), "{warnings:?}");
    println!("kept={kept}");
}

fn child(dir: &Path, number: usize) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--nocapture", "store_child_process"])
        .env("DSP_TEST_STORE", dir)
        .env("DSP_TEST_CHILD", number.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn processes_share_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..4).map(|number| child(dir.path(), number)).collect();
    let mut kept = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        let count = text.lines().find_map(|it| it.split_once("kept=")).unwrap().1;
        kept += count.trim().parse::<usize>().unwrap();
    }
    assert_eq!(kept, 400, "no reply is kept twice");
    let store = Store::open(dir.path()).unwrap();
    for number in 0..400 {
        assert_eq!(get(&store, &key(number)), Some(reply(number)));
    }
    assert!(store.warnings().is_empty());
}

#[test]
fn a_kill_loses_nothing_that_was_put() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let mut child = child(dir.path(), 100 + round);
        // It writes without end once it has said so.
        let mut out = child.stdout.take().unwrap();
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains("under way") {
            let mut byte = [0];
            out.read_exact(&mut byte).unwrap();
            text.extend(byte);
        }
        std::thread::sleep(Duration::from_millis(7 * round as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let there = (0..).take_while(|it| store.get(&key(*it)).is_some()).count();
        assert!(there > 20);
        assert!((0..there).all(|it| get(&store, &key(it)) == Some(reply(it))));
        assert_eq!(store.size().entries, there);
        assert!(store.put_if_absent(&Key::of(["round", &round.to_string()]), b"x").unwrap());
        assert!(store.warnings().is_empty(), "a kill is no damage");
        // The last keys are not numbers; take them out of the next count.
        drop(store);
        std::fs::remove_dir_all(dir.path().join("replies-2")).unwrap();
    }
}

/// The length of a head without a label.
const HEAD: u64 = 61;

/// Offsets at which the records of these replies end.
fn ends(replies: &[Vec<u8>]) -> Vec<u64> {
    let mut end = 0;
    replies
        .iter()
        .map(|it| {
            end += HEAD + it.len() as u64;
            end
        })
        .collect()
}

fn filled(dir: &Path, replies: &[Vec<u8>]) {
    let store = Store::open(dir).unwrap();
    for (number, reply) in replies.iter().enumerate() {
        assert!(store.put_if_absent(&same_file(number), reply).unwrap());
    }
}

fn replies() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn after_any_cut_all_before_it_is_there(replies in replies(), cut in 0.0..1.0_f64) {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), &replies);
        let ends = ends(&replies);
        let length = std::fs::metadata(file(dir.path())).unwrap().len();
        prop_assert_eq!(Some(&length), ends.last());
        let cut = (length as f64 * cut) as u64;
        let log = std::fs::OpenOptions::new().write(true).open(file(dir.path())).unwrap();
        log.set_len(cut).unwrap();
        let store = Store::open(dir.path()).unwrap();
        for (number, end) in ends.iter().enumerate() {
            let there = get(&store, &same_file(number));
            prop_assert_eq!(there.is_some(), *end <= cut);
            prop_assert!(there.is_none_or(|it| it == replies[number]));
        }
        // The store goes on from there.
        filled_again(&store, &replies)?;
        filled_again(&Store::open(dir.path()).unwrap(), &replies)?;
        prop_assert_eq!(std::fs::metadata(file(dir.path())).unwrap().len(), length);
        prop_assert!(store.warnings().is_empty());
    }

    #[test]
    fn no_damage_is_taken_for_a_reply(
        replies in replies(),
        damage in prop::collection::vec((0.0..1.0_f64, any::<u8>()), 1..6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), &replies);
        let mut bytes = std::fs::read(file(dir.path())).unwrap();
        let ends = ends(&replies);
        let mut is_hit = vec![false; replies.len()];
        for (place, byte) in damage {
            let at = (bytes.len() as f64 * place) as usize;
            if bytes[at] != byte {
                bytes[at] = byte;
                is_hit[ends.iter().position(|end| (at as u64) < *end).unwrap()] = true;
            }
        }
        std::fs::write(file(dir.path()), &bytes).unwrap();
        let store = Store::open(dir.path()).unwrap();
        for (number, reply) in replies.iter().enumerate() {
            let there = get(&store, &same_file(number));
            prop_assert_eq!(there.as_ref(), (!is_hit[number]).then_some(reply), "{}", number);
        }
        prop_assert!(store.warnings().len() <= 1);
        filled_again(&store, &replies)?;
        filled_again(&Store::open(dir.path()).unwrap(), &replies)?;
    }

    #[test]
    fn any_file_is_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("replies-2")).unwrap();
        std::fs::write(file(dir.path()), &bytes).unwrap();
        let store = Store::open(dir.path()).unwrap();
        prop_assert!(store.get(&same_file(1)).is_none());
        filled_again(&store, &[b"x".to_vec()])?;
    }
}

/// Puts what is missing; then all is there.
fn filled_again(store: &Store, replies: &[Vec<u8>]) -> Result<(), TestCaseError> {
    for (number, reply) in replies.iter().enumerate() {
        store.put_if_absent(&same_file(number), reply).unwrap();
        let there = get(store, &same_file(number));
        prop_assert_eq!(there.as_ref(), Some(reply));
    }
    Ok(())
}

#[test]
fn a_damaged_reply_is_a_miss_that_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), &[reply(0), reply(1), reply(2)]);
    let reader = Store::open(dir.path()).unwrap();
    assert!(reader.get(&same_file(0)).is_some());
    let mut log = std::fs::OpenOptions::new().write(true).open(file(dir.path())).unwrap();
    log.seek(SeekFrom::Start(ends(&[reply(0)])[0] + HEAD)).unwrap();
    log.write_all(b"XX").unwrap();
    assert_eq!(reader.get(&same_file(1)), None);
    assert_eq!(reader.get(&same_file(1)), None);
    assert_eq!(get(&reader, &same_file(2)), Some(reply(2)));
    let warnings = reader.warnings();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("00.log is damaged in places"), "{warnings:?}");
    assert!(reader.warnings().is_empty());
    // Another process asks again and puts the reply; this one sees that.
    let other = Store::open(dir.path()).unwrap();
    assert!(other.put_if_absent(&same_file(1), &reply(1)).unwrap());
    assert_eq!(get(&reader, &same_file(1)), Some(reply(1)));
}

#[test]
fn a_torn_end_is_replaced_though_the_length_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), &[reply(0)]);
    let reader = Store::open(dir.path()).unwrap();
    // A writer dies in the middle of a record, and the reader looks.
    let end = ends(&[reply(0)])[0];
    let mut log = std::fs::OpenOptions::new().append(true).open(file(dir.path())).unwrap();
    log.write_all(&[b'd'; 66]).unwrap();
    assert_eq!(reader.get(&same_file(7)), None);
    // The next writer's record is as long as what was torn.
    let writer = Store::open(dir.path()).unwrap();
    assert!(writer.put_if_absent(&same_file(7), b"seven").unwrap());
    assert_eq!(std::fs::metadata(file(dir.path())).unwrap().len(), end + HEAD + 5);
    assert_eq!(get(&reader, &same_file(7)).unwrap(), b"seven");
    assert!(reader.put_if_absent(&same_file(8), b"eight").unwrap());
    assert_eq!(get(&Store::open(dir.path()).unwrap(), &same_file(7)).unwrap(), b"seven");
}

#[test]
fn where_nothing_can_be_written_memory_serves() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("replies-2"), "in the way").unwrap();
    let store = Store::open(dir.path()).unwrap();
    for number in 0..100 {
        assert!(store.put_if_absent(&key(number), &reply(number)).unwrap());
        assert!(!store.put_if_absent(&key(number), b"other").unwrap());
    }
    assert!((0..100).all(|it| get(&store, &key(it)) == Some(reply(it))));
    let warnings = store.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("replies cannot be kept in "), "{warnings:?}");
    let file = dir.path().join("replies-2");
    assert!(Store::open(&file).unwrap_err().to_string().ends_with("a store needs a directory"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_nothing_of_this_run() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert!(store.put_if_absent(&key(1), b"before").unwrap());
    for number in 0..64 {
        let log = dir.path().join("replies-2").join(format!("{number:02x}.log"));
        if !log.exists() {
            std::os::unix::fs::symlink("/dev/full", log).unwrap();
        }
    }
    for number in 2..50 {
        assert!(store.put_if_absent(&key(number), &reply(number)).unwrap());
        assert_eq!(get(&store, &key(number)), Some(reply(number)));
    }
    assert_eq!(get(&store, &key(1)).unwrap(), b"before");
    let warnings = store.warnings();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("No space left"), "{warnings:?}");
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("deep").join("cache");
    filled(&place, &[reply(0)]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place), 0o700);
    assert_eq!(mode(&place.join("replies-2")), 0o700);
    assert_eq!(mode(&file(&place)), 0o600);
}

#[test]
fn memory_in_front_of_the_disk_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let long = vec![b'x'; 400 << 10];
    for number in 0..8 {
        store.put_if_absent(&same_file(number), &long).unwrap();
    }
    assert!((0..8).all(|it| store.get(&same_file(it)).unwrap().len() == long.len()));
    let huge = vec![b'y'; 3 << 20];
    store.put_if_absent(&same_file(9), &huge).unwrap();
    assert_eq!(get(&Store::open(dir.path()).unwrap(), &same_file(9)), Some(huge));
}

#[test]
fn parts_of_a_key_are_told_apart() {
    assert_ne!(Key::of(["ab", "c"]), Key::of(["a", "bc"]));
    assert_ne!(Key::of(["a"]), Key::of(["a", ""]));
    assert_eq!(Key::of(["a"]).to_string().len(), 64);
}

/// `cargo test --release --test store hits -- --ignored --nocapture`
#[test]
#[ignore = "a measurement, to be read by a person"]
fn hits_are_cheap() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = vec![b'x'; 2000];
    let count = 100_000;
    let time = |what: &str, work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        println!("{what}: {:.2} µs each", start.elapsed().as_secs_f64() * 1e6 / count as f64);
    };
    let store = Store::open(dir.path()).unwrap();
    time("put", &mut || {
        for number in 0..count {
            store.put_if_absent(&key(number), &bytes).unwrap();
        }
    });
    let store = Store::open(dir.path()).unwrap();
    time("index", &mut || assert_eq!(store.size().entries, count));
    time("hit on disk", &mut || {
        for number in 0..count {
            assert!(store.get(&key(number)).is_some());
        }
    });
    let few = Store::open(dir.path()).unwrap();
    assert!((0..1000).all(|it| few.get(&key(it)).is_some()));
    time("hit in memory", &mut || {
        for number in 0..count {
            assert!(few.get(&key(number % 1000)).is_some());
        }
    });
    time("miss", &mut || {
        for number in 0..count {
            assert!(few.get(&key(count + number)).is_none());
        }
    });
}
