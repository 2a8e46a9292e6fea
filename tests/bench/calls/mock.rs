//! The server, as a process of our own.

use dsp_lang::lm::block_on;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server that dies with this value.
pub(crate) struct Mock {
    process: Child,
    root: String,
}

impl Mock {
    pub(crate) fn start(program: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut process = Command::new(program)
            .args(["--port", &port.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, root: format!("http://127.0.0.1:{port}") }
    }

    /// What clients ask.
    pub(crate) fn base(&self) -> String {
        format!("{}/v1", self.root)
    }

    /// Answers after this time from now on, and forgets what it counted.
    pub(crate) fn reset(&self, latency_ms: u64) {
        self.configure(&format!(r#"{{"latency_ms": {latency_ms}}}"#));
    }

    /// Answers so from now on, and forgets what it counted.
    pub(crate) fn configure(&self, changes: &str) {
        self.post("config", changes);
        self.post("reset", "{}");
    }

    fn post(&self, path: &str, body: &str) {
        let request = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = request.post(format!("{}/{path}", self.root)).body(body.to_owned());
        block_on(request.send()).unwrap().error_for_status().unwrap();
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
