//! An evaluation as one HTML file that asks the network for nothing.
//!
//! What models and data say is escaped, and a policy in the head forbids all requests, so that
//! a report can be opened wherever it comes from.

use crate::eval::confusion::{Confusion, confusions};
use crate::eval::evaluation::NamedScore;
use crate::eval::stats::{Interval, is_binary};
use crate::eval::tables::{short, why};
use crate::eval::text::told;
use crate::eval::{Evaluation, Exchange, FailureKind, RowResult};
use crate::render::plain;
use crate::schema::Record;
use std::fmt::Write;
use std::time::Duration;

/// Rows of the table of all rows; the CSV file has them all.
const LISTED: usize = 2000;
/// Rows that are shown with prompt and reply.
const SHOWN: usize = 25;
/// The most values that a confusion is drawn for; of more, only mistakes are listed.
const DRAWN: usize = 30;
/// How many kinds of mistakes are listed.
const MISTAKES: usize = 40;
/// How many kinds of failures are listed.
const FAILURES: usize = 30;
/// Bars of the distribution.
const BARS: usize = 10;

impl Evaluation {
    /// The report as an HTML file.
    pub fn to_html(&self) -> String {
        let title =
            if self.subject.title.is_empty() { "Evaluation" } else { &self.subject.title };
        let title = escaped(title);
        let parts = [
            self.cards(),
            self.notes(),
            self.score_table(),
            self.distribution(),
            confusions(self).iter().map(confused).collect(),
            self.failure_table(),
            self.tools(),
            self.examples(),
            self.row_table(),
        ];
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n\
             <title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n\
             <h1>{title}</h1>\n{}{}\n<script>\n{}</script>\n</body>\n</html>\n",
            include_str!("report.css"),
            self.about(),
            parts.concat(),
            include_str!("report.js"),
        )
    }

    fn about(&self) -> String {
        let models = self.subject.models.join(", ");
        let judges = self.subject.judges.join(", ");
        let named = |what: &str, it: &str| (!it.is_empty()).then(|| format!("{what} {it}"));
        let parts = [
            named("model", &models),
            named("judge", &judges),
            named("state", &self.subject.state),
            named("data", &self.data),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        format!("<p class=\"soft\">{}</p>\n", escaped(&parts.join(" · ")))
    }

    fn cards(&self) -> String {
        let score = self.score.map_or("–".to_owned(), |it| format!("{it:.3}"));
        let mut cards = card("score", &score, &self.interval.map_or(String::new(), range_text));
        if let (Some(score), Some(interval)) = (self.score, self.interval) {
            cards = cards.replace("</div>", &format!("{}</div>", range(score, interval)));
        }
        let mut about = format!("{} scored", self.scored);
        let left = [
            (self.failed, "failed and count as 0"),
            (self.left_out, "left out: a machine failed"),
            (self.not_run, "not run"),
            (usize::try_from(self.asserts_failed).unwrap_or(usize::MAX), "asserts failed"),
            (usize::try_from(self.repairs).unwrap_or(usize::MAX), "replies repaired"),
        ];
        for (count, what) in left.into_iter().filter(|(count, _)| *count > 0) {
            let _ = write!(about, ", {count} {what}");
        }
        cards += &card("rows", &self.rows.len().to_string(), &about);
        let tokens = self.details.told(self.calls, self.prompt_tokens, self.completion_tokens);
        let tokens = format!("{tokens}{}", told(&self.cost));
        let stored = format!("{tokens}; {} from the store", self.cached_calls);
        cards += &card("calls of the program", &self.calls.to_string(), &stored);
        if self.judge.calls > 0 {
            let tokens = format!(
                "{}{}; {}",
                self.judge.details.told(
                    self.judge.calls,
                    self.judge.prompt_tokens,
                    self.judge.completion_tokens,
                ),
                told(&self.judge.cost),
                time(self.judge.time)
            );
            cards += &card("calls of the judge", &self.judge.calls.to_string(), &tokens);
        }
        let latency = self.latency;
        let more = format!(
            "half of the rows; nine of ten {}, all {}; {} in all",
            time(latency.p90),
            time(latency.max),
            time(self.elapsed)
        );
        cards += &card("time of a row, at most", &time(latency.p50), &more);
        format!("<div class=\"cards\">\n{cards}</div>\n")
    }

    fn notes(&self) -> String {
        let stop = self.stop.as_ref().map(|it| format!("Stopped: {it}."));
        let advice = self.advice().map(|it| format!("Advice: {it}."));
        let note =
            |class: &str, it: String| format!("<p class=\"{class}\">{}</p>\n", escaped(&it));
        let stop = stop.map(|it| note("note bad", it)).unwrap_or_default();
        stop + advice.map(|it| note("note", it)).unwrap_or_default().as_str()
    }

    fn score_table(&self) -> String {
        if self.scores.len() < 2 {
            return String::new();
        }
        let row = |(at, (name, it)): (usize, (&String, &NamedScore))| {
            let counts = if at == 0 { " <small>it counts</small>" } else { "" };
            let bar = it.interval.map_or(String::new(), |interval| range(it.score, interval));
            let text = it.interval.map_or(String::new(), range_text);
            format!(
                "<tr><td>{}{counts}</td><td class=\"n\">{:.3}</td><td>{bar}</td><td>{text}</td></tr>\n",
                escaped(name),
                it.score
            )
        };
        let rows: String = self.scores.iter().enumerate().map(row).collect();
        let head =
            "<tr><th>score</th><th class=\"n\">mean</th><th></th><th>95 % interval</th></tr>";
        section("Scores", &format!("<div class=\"wide\"><table>{head}\n{rows}</table></div>"))
    }

    /// How often scores occurred: 0 and 1, or ten parts of what lies between.
    fn distribution(&self) -> String {
        let values: Vec<f64> = self.rows.iter().filter_map(RowResult::value).collect();
        if values.is_empty() {
            return String::new();
        }
        let count = |test: &dyn Fn(f64) -> bool| values.iter().filter(|it| test(**it)).count();
        let (counts, scale) = if is_binary(&values) {
            (
                vec![count(&|it| it == 0.0), count(&|it| it == 1.0)],
                "<span>0: wrong</span><span>1: right</span>",
            )
        } else {
            #[expect(clippy::cast_precision_loss, reason = "there are ten bars")]
            let edge = |at: usize| at as f64 / BARS as f64;
            let last = BARS - 1;
            let inside =
                |at: usize| count(&|it| edge(at) <= it && (it < edge(at + 1) || at == last));
            ((0..BARS).map(inside).collect(), "<span>0</span><span>0.5</span><span>1</span>")
        };
        let most = counts.iter().copied().max().unwrap_or(1).max(1);
        let bar = |count: &usize| {
            let height = count * 85 / most;
            let shown = if *count > 0 { count.to_string() } else { String::new() };
            format!("<div>{shown}<i style=\"height:{height}%\"></i></div>")
        };
        let bars: String = counts.iter().map(bar).collect();
        let body =
            format!("<div class=\"bars\">{bars}</div>\n<div class=\"scale\">{scale}</div>");
        section("Distribution of scores", &body)
    }

    fn failure_table(&self) -> String {
        let mut groups: Vec<(&str, (&str, usize))> =
            self.failure_groups().into_iter().collect();
        groups.sort_by_key(|(_, (_, count))| std::cmp::Reverse(*count));
        let row = |(message, (origin, count)): &(&str, (&str, usize))| {
            format!(
                "<tr><td class=\"n\">{count}</td><td>{}</td><td dir=\"auto\">{}</td></tr>\n",
                escaped(short(origin)),
                escaped(message)
            )
        };
        let rows: String = groups.iter().take(FAILURES).map(row).collect();
        if rows.is_empty() {
            return rows;
        }
        let more = match groups.len().saturating_sub(FAILURES) {
            0 => String::new(),
            more => format!("<p class=\"soft\">and {more} other messages</p>"),
        };
        let head = "<tr><th class=\"n\">rows</th><th>first</th><th>what happened</th></tr>";
        section(
            "Failures",
            &format!("<div class=\"wide\"><table>{head}\n{rows}</table></div>{more}"),
        )
    }

    fn tools(&self) -> String {
        section(
            "Rows",
            "<div class=\"tools\"><input id=\"find\" type=\"search\" \
             placeholder=\"words that a row holds\" aria-label=\"words that a row holds\">\n\
             <select id=\"kind\" aria-label=\"which rows\"><option value=\"\">all</option>\
             <option value=\"right\">score 1</option><option value=\"part\">below 1</option>\
             <option value=\"wrong\">score 0</option><option value=\"failed\">failed</option>\
             <option value=\"out\">not scored</option></select>\n\
             <small id=\"count\"></small></div>",
        )
    }

    /// The rows that scored lowest, with what was sent and what came back.
    fn examples(&self) -> String {
        let rows = self.worst(SHOWN);
        if rows.is_empty() {
            return String::new();
        }
        let all = self.worst(usize::MAX).len();
        let head = format!(
            "<p class=\"soft\">The lowest {} of {all} rows below 1, with prompt and reply</p>\n",
            rows.len()
        );
        head + rows.iter().map(|row| self.example(row)).collect::<String>().as_str()
    }

    fn example(&self, row: &RowResult) -> String {
        let (inputs, labels) = self.columns_of(row);
        let reply = row.outcome.as_ref().map(|it| it.reply.clone()).unwrap_or_default();
        let first = inputs.values().next().map(ToString::to_string).unwrap_or_default();
        let first: String = first.chars().take(120).collect();
        let exchanges: String = row.exchanges().iter().map(exchange).collect();
        let by = row.outcome.iter().flat_map(|it| it.feedback_by.iter());
        let by: String =
            by.map(|(path, said)| pair(&format!("feedback for {path}"), said)).collect();
        let why = if why(row).is_empty() { String::new() } else { pair("why", why(row)) };
        format!(
            "<details data-kind=\"{}\"><summary><b>{}</b><small>{}</small> {}</summary>\n\
             <div class=\"inside\"><dl>{}{}{}{why}{by}</dl>\n{exchanges}</div></details>\n",
            kind(row),
            score_text(row),
            escaped(short(&row.origin)),
            escaped(&first),
            pairs("", &inputs),
            pairs("label ", &labels),
            pairs("reply ", &reply),
        )
    }

    fn row_table(&self) -> String {
        let head = "<tr><th>row</th><th class=\"n\">score</th><th>inputs</th><th>labels</th>\
                    <th>reply</th><th>why</th><th class=\"n\">calls</th><th class=\"n\">time</th></tr>";
        let rows: String = self.rows.iter().take(LISTED).map(|it| self.table_row(it)).collect();
        let more = match self.rows.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(
                "<p class=\"soft\">{more} more rows are not listed; `save(\"rows.csv\")` writes all</p>"
            ),
        };
        let title = "<p class=\"soft\">All rows</p>";
        format!("{title}\n<div class=\"wide\"><table>{head}\n{rows}</table></div>{more}\n")
    }

    fn table_row(&self, row: &RowResult) -> String {
        let (inputs, labels) = self.columns_of(row);
        let outcome = row.outcome.as_ref();
        let reply = outcome.map(|it| it.reply.clone()).unwrap_or_default();
        let cell = |it: &str| {
            format!("<td class=\"text\" dir=\"auto\"><div>{}</div></td>", escaped(it))
        };
        let calls = outcome.map_or(String::new(), |it| it.calls.to_string());
        let took = outcome.map_or(String::new(), |it| time(it.latency));
        format!(
            "<tr data-kind=\"{}\"><td>{}</td><td class=\"n\">{}</td>{}{}{}{}<td class=\"n\">{calls}</td>\
             <td class=\"n\">{took}</td></tr>\n",
            kind(row),
            escaped(short(&row.origin)),
            score_text(row),
            cell(&in_lines(&inputs)),
            cell(&in_lines(&labels)),
            cell(&in_lines(&reply)),
            cell(why(row)),
        )
    }
}

fn section(title: &str, body: &str) -> String {
    format!("<h2>{title}</h2>\n{body}\n")
}

fn card(name: &str, value: &str, more: &str) -> String {
    format!(
        "<div class=\"card\"><small>{name}</small><b>{}</b><small>{}</small></div>\n",
        escaped(value),
        escaped(more)
    )
}

fn range_text(it: Interval) -> String {
    format!("{:.3} to {:.3} ({})", it.low, it.high, it.method.as_str())
}

/// The interval and the mean on a scale from 0 to 1.
fn range(score: f64, it: Interval) -> String {
    let percent = |part: f64| format!("{:.2}%", part * 100.0);
    format!(
        "<div class=\"range\" title=\"95 % interval\"><i style=\"left:{};width:{}\"></i>\
         <u style=\"left:{}\"></u></div>",
        percent(it.low),
        percent((it.high - it.low).max(0.0)),
        percent(score)
    )
}

fn confused(of: &Confusion) -> String {
    let title = format!("{} against {}", escaped(&of.output), escaped(&of.column));
    let body = if of.values.len() > DRAWN { mistakes(of) } else { matrix(of) };
    section(
        &title,
        &format!("<div class=\"wide\"><table class=\"matrix\">{body}</table></div>"),
    )
}

/// Rows are labels, columns answers; the darker the more.
fn matrix(of: &Confusion) -> String {
    let mut text = "<tr><th class=\"label\">labelled</th>".to_owned();
    for value in &of.values {
        let _ = write!(text, "<th>{}</th>", escaped(value));
    }
    text += "<th>rows</th><th>precision</th><th>recall</th></tr>\n";
    for (at, label) in of.values.iter().enumerate() {
        let each = of.per_label(at);
        if each.rows == 0 && at >= of.n_known {
            continue;
        }
        let _ = write!(text, "<tr><th class=\"label\">{}</th>", escaped(label));
        for (answer, count) in of.counts[at].iter().enumerate() {
            let color = if answer == at { "--tint" } else { "--wrong" };
            let part = (count * 60).checked_div(each.rows).unwrap_or(0);
            let shown = if *count == 0 { "·".to_owned() } else { count.to_string() };
            let _ = write!(
                text,
                "<td style=\"background:rgba(var({color}),{:.2})\">{shown}</td>",
                f64::from(u32::try_from(part).unwrap_or(60)) / 100.0
            );
        }
        let share = |it: Option<f64>| it.map_or("–".to_owned(), |it| format!("{it:.2}"));
        let (precision, recall) = (share(each.precision), share(each.recall));
        let _ =
            writeln!(text, "<td>{}</td><td>{precision}</td><td>{recall}</td></tr>", each.rows);
    }
    text
}

fn mistakes(of: &Confusion) -> String {
    let mut text = "<tr><th>labelled</th><th>answered</th><th>rows</th></tr>\n".to_owned();
    for (label, answer, count) in of.mistakes().into_iter().take(MISTAKES) {
        let (label, answer) = (escaped(label), escaped(answer));
        let _ = writeln!(text, "<tr><td>{label}</td><td>{answer}</td><td>{count}</td></tr>");
    }
    text
}

fn exchange(it: &Exchange) -> String {
    let who = if it.by_metric { "the metric" } else { it.path.as_str() };
    let error = it.error.as_ref();
    let error =
        error.map_or(String::new(), |it| format!("<p class=\"bad\">{}</p>", escaped(it)));
    let reply = it.reply.as_deref().unwrap_or("(no reply)");
    format!(
        "<details><summary>what <b>{}</b> asked and got</summary><div class=\"inside\">\
         <small>prompt</small><pre dir=\"auto\">{}</pre><small>reply</small>\
         <pre dir=\"auto\">{}</pre>{error}</div></details>\n",
        escaped(who),
        escaped(&it.prompt),
        escaped(reply),
    )
}

fn pairs(before: &str, record: &Record) -> String {
    record.iter().map(|(name, it)| pair(&format!("{before}{name}"), &it.to_string())).collect()
}

fn pair(name: &str, text: &str) -> String {
    format!("<dt>{}</dt><dd dir=\"auto\">{}</dd>", escaped(name), escaped(text))
}

fn in_lines(record: &Record) -> String {
    match record.values().next() {
        Some(only) if record.len() == 1 => only.to_string(),
        _ => {
            let lines = record.iter().map(|(name, it)| format!("{name}: {it}"));
            lines.collect::<Vec<_>>().join("; ")
        }
    }
}

/// A time as people read it.
fn time(it: Duration) -> String {
    match it.as_millis() {
        0 => "under 1 ms".to_owned(),
        short @ 1..1000 => format!("{short} ms"),
        _ => format!("{:.1} s", it.as_secs_f64()),
    }
}

/// What the filter calls a row.
fn kind(row: &RowResult) -> &'static str {
    let failed = row.outcome.as_ref().is_some_and(|it| it.failed_by(FailureKind::Program));
    match row.value() {
        _ if failed => "failed",
        None => "out",
        Some(value) if value >= 1.0 => "right",
        Some(value) if value <= 0.0 => "wrong",
        Some(_) => "part",
    }
}

fn score_text(row: &RowResult) -> String {
    row.value().map_or("–".to_owned(), |it| format!("{it:.2}"))
}

/// Text that HTML shows and never reads, without control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in plain(text).chars() {
        match ch {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            ch => out.push(ch),
        }
    }
    out
}
