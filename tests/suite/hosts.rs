//! Machines around another machine: what they do not answer themselves, that one does.

use dsp_lang::host::{
    Blob, Captured, Entry, Host, MemoryHost, Place, Scratch, Started, Watched,
};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A machine that knows what it was asked.
#[derive(Debug, Default)]
struct Probe {
    machine: MemoryHost,
    asked: Mutex<BTreeSet<&'static str>>,
}

impl Probe {
    fn note(&self, name: &'static str) -> &MemoryHost {
        self.asked.lock().unwrap().insert(name);
        &self.machine
    }
}

impl Host for Probe {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.note("read").read(path)
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn Blob>> {
        self.note("open").open(path)
    }
    fn scratch(&self) -> io::Result<Box<dyn Scratch>> {
        self.note("scratch").scratch()
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.note("write").write(path, bytes)
    }
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.note("append").append(path, bytes)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.note("remove").remove(path)
    }
    fn exists(&self, path: &Path) -> bool {
        self.note("exists").exists(path)
    }
    fn is_file(&self, path: &Path) -> bool {
        self.note("is_file").is_file(path)
    }
    fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        self.note("real_path").real_path(path)
    }
    fn modified(&self, path: &Path) -> Option<Duration> {
        self.note("modified").modified(path)
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        self.note("list").list(folder)
    }
    fn start(&self, command: &[String]) -> io::Result<Started> {
        self.note("start").start(command)
    }
    fn env(&self, name: &str) -> Option<String> {
        self.note("env").env(name)
    }
    fn elapsed(&self) -> Duration {
        self.note("elapsed").elapsed()
    }
    fn since_epoch(&self) -> Duration {
        self.note("since_epoch").since_epoch()
    }
    fn cpu_time(&self) -> Option<Duration> {
        self.note("cpu_time").cpu_time()
    }
    fn print(&self, text: &str) {
        self.note("print").print(text);
    }
    fn eprint(&self, text: &str) {
        self.note("eprint").eprint(text);
    }
    fn status(&self, line: &str) {
        self.note("status").status(line);
    }
    fn is_terminal(&self) -> bool {
        self.note("is_terminal").is_terminal()
    }
    fn prints_to_terminal(&self) -> bool {
        self.note("prints_to_terminal").prints_to_terminal()
    }
    fn width(&self) -> Option<usize> {
        self.note("width").width()
    }
    fn confirm(&self, question: &str) -> Option<bool> {
        self.note("confirm").confirm(question)
    }
    fn place(&self, kind: Place) -> Option<PathBuf> {
        self.note("place").place(kind)
    }
}

/// Asks a machine everything.
fn ask_all(host: &dyn Host) {
    let path = Path::new("a.txt");
    host.write(path, b"a").unwrap();
    host.append(path, b"b").unwrap();
    let (read, opened) = (host.read(path).unwrap(), host.open(path).unwrap());
    assert_eq!((read.as_slice(), opened.size()), (&b"ab"[..], 2));
    assert!(host.exists(path) && host.is_file(path) && host.real_path(path).is_ok());
    assert_eq!(host.list(Path::new("")).unwrap().len(), 1);
    host.remove(path).unwrap();
    let _ = (host.scratch(), host.modified(path), host.start(&[]), host.env("A"));
    let _ = (host.elapsed(), host.since_epoch(), host.cpu_time(), host.place(Place::Log));
    host.print("a");
    host.eprint("b");
    host.status("c");
    let _ = (host.is_terminal(), host.prints_to_terminal(), host.width(), host.confirm("d"));
}

/// The methods of the trait, as its file declares them.
fn declared() -> BTreeSet<String> {
    let text = std::fs::read_to_string("src/host.rs").unwrap();
    let body = text.split("pub trait Host").nth(1).unwrap().split("\n}\n").next().unwrap();
    let names = body.lines().filter_map(|it| it.strip_prefix("    fn ")?.split('(').next());
    names.filter(|it| *it != "behind").map(str::to_owned).collect()
}

/// What of the methods another machine does not ask the one behind it.
fn not_asked(around: impl Fn(Arc<Probe>) -> Arc<dyn Host>) -> Vec<String> {
    let probe = Arc::new(Probe::default());
    ask_all(&*around(probe.clone()));
    let asked = probe.asked.lock().unwrap();
    declared().into_iter().filter(|it| !asked.contains(it.as_str())).collect()
}

#[test]
fn a_machine_around_another_leaves_nothing_out() {
    assert_eq!(not_asked(|it| it), Vec::<String>::new());
    assert_eq!(not_asked(|it| Arc::new(Watched::new(it))), Vec::<String>::new());
    let kept = ["confirm", "eprint", "is_terminal", "print", "prints_to_terminal", "status"];
    let expected = [&kept[..], &["width"]].concat();
    assert_eq!(not_asked(|it| Arc::new(Captured::new(it))), expected);
}

#[test]
fn what_is_looked_for_is_watched_however_it_is_asked() {
    let asks: [fn(&dyn Host, &Path); 4] = [
        |host, path| drop(host.read(path)),
        |host, path| drop(host.open(path)),
        |host, path| assert!(!host.exists(path)),
        |host, path| assert!(!host.is_file(path)),
    ];
    for ask in asks {
        let host = Watched::new(Arc::new(MemoryHost::default()));
        ask(&host, Path::new("a.txt"));
        assert_eq!(host.read_files().len(), 1);
    }
}
