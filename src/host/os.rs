//! The machine itself.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the one place where files, environment and clock are read, and other programs started"
)]

use crate::host::blob::{FileBlob, FileScratch};
use crate::host::{Blob, Entry, Host, Place, Scratch, Started};
use crate::util::lock;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use unicode_width::UnicodeWidthChar;

/// The machine that the process runs on.
#[derive(Debug)]
pub struct OsHost {
    started: Instant,
    home: Option<PathBuf>,
    /// Whether a line of status is shown.
    status: Mutex<bool>,
}

impl OsHost {
    /// Returns the machine, with the user's files under the usual places of the system, or
    /// under `DSP_HOME` where that is set.
    pub fn new() -> Self {
        let home = std::env::var_os("DSP_HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
        Self { started: Instant::now(), home, status: Mutex::new(false) }
    }

    /// Wipes the line of status; while the value is held nothing else is written.
    fn wiped(&self) -> MutexGuard<'_, bool> {
        let mut shown = lock(&self.status);
        if std::mem::take(&mut *shown) {
            let _ = io::stderr().lock().write_all(b"\r\x1b[K");
        }
        shown
    }
}

impl Default for OsHost {
    fn default() -> Self {
        Self::new()
    }
}

impl Host for OsHost {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn Blob>> {
        Ok(Arc::new(FileBlob::new(std::fs::File::open(path)?)?))
    }

    fn scratch(&self) -> io::Result<Box<dyn Scratch>> {
        Ok(Box::new(FileScratch::new(&std::env::temp_dir())?))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        let temporary =
            path.with_file_name(format!(".{name}.{}-{serial}.tmp", std::process::id()));
        if let Some(folder) = path.parent().filter(|it| !it.exists()) {
            std::fs::create_dir_all(folder)?;
        }
        let written = std::fs::File::create(&temporary)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&temporary, path));
        if written.is_err() {
            // The first error is the one to tell; what is left of the file helps nobody.
            let _ = std::fs::remove_file(&temporary);
        }
        written
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Some(folder) = path.parent().filter(|it| !it.exists()) {
            owned_folder(folder)?;
        }
        let mut options = std::fs::OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path)?.write_all(bytes)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn is_file(&self, path: &Path) -> bool {
        path.is_file()
    }

    fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        let here = Path::new(".");
        std::fs::canonicalize(if path.as_os_str().is_empty() { here } else { path })
    }

    fn modified(&self, path: &Path) -> Option<Duration> {
        let time = std::fs::metadata(path).and_then(|it| it.modified()).ok()?;
        Some(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            found.push(Entry { path: entry.path(), is_folder: entry.file_type()?.is_dir() });
        }
        found.sort();
        Ok(found)
    }

    fn start(&self, command: &[String]) -> io::Result<Started> {
        let (program, args) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is for us: we say to those that we started when they are to end.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn()?;
        let streams = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (Some(input), Some(output), Some(errors)) = streams else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let (input, output) = (Box::new(input), Box::new(output));
        Ok(Started { process: Box::new(process), input, output, errors: Box::new(errors) })
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn since_epoch(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn cpu_time(&self) -> Option<Duration> {
        cpu_time()
    }

    fn print(&self, text: &str) {
        let _status = self.wiped();
        let mut out = io::stdout().lock();
        // A reader that went away (`dsp … | head`) is no error of ours.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    fn eprint(&self, text: &str) {
        let _status = self.wiped();
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    fn status(&self, line: &str) {
        let Some(width) = error_width().filter(|_| self.is_terminal()) else { return };
        let mut shown = self.wiped();
        if !line.is_empty() {
            *shown = true;
            let _ = io::stderr().lock().write_all(clipped(line, width).as_bytes());
        }
    }

    fn is_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }

    fn prints_to_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    fn width(&self) -> Option<usize> {
        width().filter(|_| self.prints_to_terminal())
    }

    fn confirm(&self, question: &str) -> Option<bool> {
        if !io::stdin().is_terminal() || !self.is_terminal() {
            return None;
        }
        self.eprint(&format!("{question} [y/N] "));
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).ok()?;
        Some(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    fn place(&self, kind: Place) -> Option<PathBuf> {
        if let Some(home) = &self.home {
            return Some(match kind {
                Place::Cache => home.join("cache"),
                Place::Models => home.join("models"),
                Place::Config => home.join("config"),
                Place::Runs => home.join("runs"),
                Place::Log => home.join("log"),
            });
        }
        system_place(kind)
    }
}

#[cfg(feature = "cli")]
fn system_place(kind: Place) -> Option<PathBuf> {
    match kind {
        Place::Cache => dirs::cache_dir().map(|dir| dir.join("dsp")),
        Place::Models => dirs::data_dir().map(|dir| dir.join("dsp").join("models")),
        Place::Config => dirs::config_dir().map(|dir| dir.join("dsp")),
        Place::Runs => state_place().map(|dir| dir.join("runs")),
        Place::Log => state_place().map(|dir| dir.join("log")),
    }
}

#[cfg(feature = "cli")]
fn state_place() -> Option<PathBuf> {
    dirs::state_dir().or_else(dirs::data_local_dir).map(|dir| dir.join("dsp"))
}

#[cfg(not(feature = "cli"))]
fn system_place(_: Place) -> Option<PathBuf> {
    None
}

/// Makes a folder that only its owner can look into.
fn owned_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(feature = "cli")]
fn width() -> Option<usize> {
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

#[cfg(not(feature = "cli"))]
fn width() -> Option<usize> {
    None
}

#[cfg(feature = "cli")]
fn error_width() -> Option<usize> {
    terminal_size::terminal_size_of(io::stderr()).map(|(width, _)| usize::from(width.0))
}

#[cfg(not(feature = "cli"))]
fn error_width() -> Option<usize> {
    None
}

/// As much of a line as stands in so many columns without reaching the last, where terminals
/// would begin the next.
fn clipped(line: &str, width: usize) -> &str {
    let mut columns = 0;
    let mut fits = |ch: char| {
        columns += ch.width().unwrap_or(0);
        columns < width && !ch.is_control()
    };
    let end = line.char_indices().find(|(_, ch)| !fits(*ch)).map_or(line.len(), |it| it.0);
    &line[..end]
}

/// User and system time of this process, from the kernel's accounting (Linux: fields 14 and
/// 15 of `stat`, in ticks of 10 ms).
fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}
