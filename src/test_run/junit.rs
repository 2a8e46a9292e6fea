//! The report that build servers read: JUnit's XML.

use super::{Ended, Outcome};
use crate::diag::Diagnostic;
use crate::render;
use crate::source::Sources;
use std::fmt::Write;

/// The tests of a file.
#[derive(Debug)]
pub struct Suite {
    name: String,
    cases: Vec<Case>,
}

#[derive(Debug)]
struct Case {
    name: String,
    line: usize,
    seconds: f64,
    outcome: Outcome,
    code: String,
    message: String,
    details: String,
    written: String,
}

impl Suite {
    /// Returns the suite of a file.
    pub fn new(file: impl Into<String>) -> Self {
        Self { name: file.into(), cases: Vec::new() }
    }

    /// Adds a test.
    pub fn add(&mut self, ended: &Ended) {
        let whole = super::text::Style { color: false, full: true };
        let details = super::text::test(ended, whole);
        // Its first line repeats the name.
        let details = details.split_once('\n').map_or("", |(_, rest)| rest).to_owned();
        let first = ended.diagnostics.first();
        self.cases.push(Case {
            name: ended.title.to_string(),
            line: ended.line,
            seconds: ended.took.as_secs_f64(),
            outcome: ended.outcome,
            code: first.map(|it| it.code.0.to_owned()).unwrap_or_default(),
            message: first.map(|it| it.message.clone()).unwrap_or_default(),
            details,
            written: ended.written.clone(),
        });
    }

    /// Adds a test that was run several times.
    pub fn add_repeated(&mut self, all: &[Ended]) {
        let failed = all.iter().find(|it| it.outcome != Outcome::Passed);
        if let Some(shown) = failed.or(all.first()) {
            self.add(shown);
        }
        if let Some(case) = self.cases.last_mut() {
            case.seconds = all.iter().map(|it| it.took.as_secs_f64()).sum();
        }
    }

    /// Adds that the file holds no correct program.
    pub fn add_broken_file(&mut self, sources: &Sources, diags: &[Diagnostic]) {
        let first = diags.first();
        self.cases.push(Case {
            name: "the file".to_owned(),
            line: 1,
            seconds: 0.0,
            outcome: Outcome::Broken,
            code: first.map(|it| it.code.0.to_owned()).unwrap_or_default(),
            message: first.map(|it| it.message.clone()).unwrap_or_default(),
            details: render::text(sources, diags, false),
            written: String::new(),
        });
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.cases.iter().filter(|it| it.outcome == outcome).count()
    }

    fn seconds(&self) -> f64 {
        self.cases.iter().map(|it| it.seconds).sum()
    }
}

/// The report of all files.
pub fn report(suites: &[Suite]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let sum = |count: &dyn Fn(&Suite) -> usize| suites.iter().map(count).sum::<usize>();
    let _ = writeln!(
        out,
        "<testsuites name=\"dsp test\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3}\">",
        sum(&|it| it.cases.len()),
        sum(&|it| it.count(Outcome::Failed)),
        sum(&|it| it.count(Outcome::Broken)),
        suites.iter().map(Suite::seconds).sum::<f64>(),
    );
    for suite in suites {
        push_suite(&mut out, suite);
    }
    out.push_str("</testsuites>\n");
    out
}

fn push_suite(out: &mut String, suite: &Suite) {
    let _ = writeln!(
        out,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"0\" time=\"{:.3}\">",
        escaped(&suite.name),
        suite.cases.len(),
        suite.count(Outcome::Failed),
        suite.count(Outcome::Broken),
        suite.seconds(),
    );
    for case in &suite.cases {
        push_case(out, &suite.name, case);
    }
    out.push_str("  </testsuite>\n");
}

fn push_case(out: &mut String, file: &str, case: &Case) {
    let file = escaped(file);
    let _ = write!(
        out,
        "    <testcase name=\"{}\" classname=\"{file}\" file=\"{file}\" line=\"{}\" time=\"{:.3}\"",
        escaped(&case.name),
        case.line,
        case.seconds,
    );
    let element = match case.outcome {
        Outcome::Passed if case.written.is_empty() => {
            out.push_str("/>\n");
            return;
        }
        Outcome::Passed => None,
        Outcome::Failed => Some("failure"),
        Outcome::Broken => Some("error"),
    };
    out.push_str(">\n");
    if let Some(element) = element {
        let (message, code) = (escaped(&case.message), escaped(&case.code));
        let details = escaped(&case.details);
        let _ = writeln!(
            out,
            "      <{element} message=\"{message}\" type=\"{code}\">{details}</{element}>"
        );
    }
    if !case.written.is_empty() {
        let _ = writeln!(out, "      <system-out>{}</system-out>", escaped(&case.written));
    }
    out.push_str("    </testcase>\n");
}

/// Text as it may stand in XML 1.0: in contents, and in attributes, where line ends would be
/// read as spaces. Characters that XML cannot hold at all are replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            ch if ch.is_control() => out.push('\u{fffd}'),
            ch => out.push(ch),
        }
    }
    out
}
