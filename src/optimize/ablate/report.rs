//! What the parts of a state are worth, for people and for programs.

use crate::eval::stats::{LEVEL, Paired, mean};
use crate::eval::{usage_text, usage_value};
use crate::optimize::ablate::{Ablation, Part, Smaller, Verdict};
use crate::render::{Align, Table, plain};
use crate::schema::{Record, Value, shortened};
use std::fmt::Write;
use std::sync::Arc;

/// Characters of a part's text in a table.
const TEXT: usize = 60;

/// What a part is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Worth {
    /// The part.
    pub part: Part,
    /// The mean without it, on the rows that were scored with and without it.
    pub without: Option<f64>,
    /// The state without it against the whole state: what it gains is what the part carries.
    pub paired: Option<Paired>,
    /// Its p, corrected for the number of parts.
    pub p: f64,
    /// What it comes to.
    pub finding: Finding,
}

/// What is known of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The state is reliably better with it.
    Carries,
    /// The state is reliably worse with it.
    Hurts,
    /// No row scores otherwise without it.
    Same,
    /// What was seen may be chance.
    Unclear,
    /// No row was scored.
    Unknown,
}

impl Finding {
    /// It in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Carries => "carries",
            Self::Hurts => "hurts",
            Self::Same => "no row differs",
            Self::Unclear => "may be chance",
            Self::Unknown => "not scored",
        }
    }
}

impl Worth {
    pub(super) fn new(part: Part, without: &[f64], paired: Option<Paired>, p: f64) -> Self {
        let finding = match &paired {
            None => Finding::Unknown,
            Some(it) if it.wins + it.losses == 0 => Finding::Same,
            Some(it) if p < LEVEL && it.gain > 0.0 => Finding::Carries,
            Some(it) if p < LEVEL && it.gain < 0.0 => Finding::Hurts,
            Some(_) => Finding::Unclear,
        };
        let without = (!without.is_empty()).then(|| mean(without));
        Self { part, without, paired, p, finding }
    }

    /// What it carries.
    pub fn carries(&self) -> Option<f64> {
        self.paired.map(|it| it.gain)
    }
}

impl Ablation {
    /// What it comes to, in lines that depend on the replies alone, in so many columns.
    pub fn render(&self, width: usize) -> String {
        let mut text = format!("state    {}\n", self.state);
        let score = match (self.score, self.interval) {
            (Some(score), Some(it)) => format!(
                "{score:.3}, 95 % interval {:.3} to {:.3} ({}, {} of {} rows)",
                it.low,
                it.high,
                it.method.as_str(),
                self.scored,
                self.rows
            ),
            _ => "none: no row was scored".to_owned(),
        };
        let _ = writeln!(text, "score    {score}\n");
        text += &self.table().render_within(width);
        text.push('\n');
        for (finding, said) in [
            (Finding::Carries, "carry the gain"),
            (Finding::Hurts, "hurt: without them the score is reliably higher"),
            (Finding::Same, "change no row"),
        ] {
            let labels: Vec<String> = self
                .sorted()
                .filter(|it| it.finding == finding)
                .map(|it| it.part.label())
                .collect();
            if !labels.is_empty() {
                let _ = writeln!(text, "{said}: {}", plain(&labels.join(", ")));
            }
        }
        text += &self.stand_ins();
        let tests = self.parts.iter().filter(|it| it.paired.is_some()).count();
        let _ = writeln!(
            text,
            "each interval is of 95 % by itself; p is corrected for all {tests} lines (Holm)"
        );
        text += &self.smaller_text();
        let cost = self.cost.told().map(|it| format!(", {it}")).unwrap_or_default();
        let tokens = self.details.told(self.calls, self.prompt_tokens, self.completion_tokens);
        let _ = writeln!(text, "calls    {}, {tokens}{cost}", self.calls);
        text += &usage_text(&self.used);
        if let Some(stop) = &self.stop {
            let _ = writeln!(text, "stopped  {stop}");
        }
        text
    }

    /// Which demos are missed less one at a time than together.
    fn stand_ins(&self) -> String {
        let mut text = String::new();
        for group in self.parts.iter().filter(|it| it.finding == Finding::Carries) {
            let (Part::Demos { path, .. }, Some(together)) = (&group.part, group.carries())
            else {
                continue;
            };
            let own = |it: &&Worth| {
                matches!(it.part, Part::Demo { .. }) && it.part.path() == Some(path.as_str())
            };
            let each: f64 = self.parts.iter().filter(own).filter_map(Worth::carries).sum();
            if together > each + 1e-9 {
                let _ = writeln!(
                    text,
                    "{}: together they carry {together:+.3}, one at a time {each:+.3} in sum: \
                     some stand in for others",
                    plain(&group.part.label())
                );
            }
        }
        text
    }

    /// The parts, those that carry most first; what is left out together before them.
    fn sorted(&self) -> impl Iterator<Item = &Worth> {
        let mut sorted: Vec<&Worth> = self.parts.iter().collect();
        let key = |it: &Worth| it.carries().unwrap_or(f64::NEG_INFINITY);
        sorted.sort_by(|a, b| {
            b.part.is_group().cmp(&a.part.is_group()).then(key(b).total_cmp(&key(a)))
        });
        sorted.into_iter()
    }

    fn table(&self) -> Table {
        let mut table = Table::new([
            ("left out", Align::Left),
            ("score", Align::Right),
            ("it carries", Align::Right),
            ("95 % interval", Align::Right),
            ("rows for, against", Align::Right),
            ("p", Align::Right),
            ("", Align::Left),
            ("", Align::Left),
        ]);
        for it in self.sorted() {
            let (score, carries, interval, rows, p) = match (&it.paired, it.without) {
                (Some(paired), Some(without)) => (
                    format!("{without:.3}"),
                    format!("{:+.3}", paired.gain),
                    format!("{:+.3} to {:+.3}", paired.interval.low, paired.interval.high),
                    format!("{}, {} of {}", paired.wins, paired.losses, it.rows()),
                    if it.p < 1e-4 { "< 0.0001".to_owned() } else { format!("{:.4}", it.p) },
                ),
                _ => Default::default(),
            };
            let said = shortened(it.part.text(), TEXT);
            table.row([
                it.part.label(),
                score,
                carries,
                interval,
                rows,
                p,
                it.finding.as_str().to_owned(),
                said,
            ]);
        }
        table
    }

    fn smaller_text(&self) -> String {
        let Some(Smaller { dropped, comparison, verdict, .. }) = &self.smaller else {
            return String::new();
        };
        let mut text = String::from("\nsmaller state\n");
        if !dropped.is_empty() {
            let _ = writeln!(text, "dropped  {}", plain(&dropped.join(", ")));
        }
        if let Some(comparison) = comparison {
            text += &comparison.render();
        }
        let _ = match verdict {
            Verdict::Kept => writeln!(text, "it is not reliably worse on rows held back"),
            Verdict::Worse => {
                writeln!(text, "it is reliably worse on rows held back, and is not written")
            }
            Verdict::None(why) => writeln!(text, "there is none: {why}"),
        };
        text
    }

    /// It as data.
    pub fn to_value(&self) -> Value {
        let count = |it: u64| i64::try_from(it).map_or(Value::Null, Value::Int);
        let interval = self.interval.map(|it| Value::list([it.low.into(), it.high.into()]));
        object([
            ("dsp_ablation", Value::Int(1)),
            ("state", self.state.as_str().into()),
            ("score", self.score.map_or(Value::Null, Value::Float)),
            ("interval", interval.unwrap_or_default()),
            ("scored", count(self.scored as u64)),
            ("rows", count(self.rows as u64)),
            ("parts", Value::list(self.parts.iter().map(Worth::to_value))),
            ("smaller", self.smaller.as_ref().map_or(Value::Null, smaller_value)),
            ("calls", count(self.calls)),
            ("cached_calls", count(self.cached_calls)),
            ("prompt_tokens", count(self.prompt_tokens)),
            ("completion_tokens", count(self.completion_tokens)),
            ("usage", usage_value(&self.used)),
            ("stopped", self.stop.as_ref().map_or(Value::Null, |it| it.to_string().into())),
        ])
    }
}

impl Worth {
    fn rows(&self) -> usize {
        self.paired.map_or(0, |it| it.wins + it.losses + it.ties)
    }

    fn to_value(&self) -> Value {
        let count = |it: usize| i64::try_from(it).map_or(Value::Null, Value::Int);
        let number = |it: Option<f64>| it.map_or(Value::Null, Value::Float);
        let (index, row) = match &self.part {
            Part::Demo { index, row, .. } => (Some(*index), *row),
            Part::Sentence { index, .. } => (Some(*index), None),
            _ => (None, None),
        };
        let field = match &self.part {
            Part::Description { field, .. } => Value::from(field.as_str()),
            _ => Value::Null,
        };
        let paired = self.paired.as_ref();
        object([
            ("part", self.part.kind().into()),
            ("label", self.part.label().as_str().into()),
            ("path", self.part.path().map_or(Value::Null, Value::from)),
            ("index", index.map_or(Value::Null, count)),
            ("row", row.map_or(Value::Null, count)),
            ("field", field),
            ("text", self.part.text().into()),
            ("without", number(self.without)),
            ("carries", number(self.carries())),
            ("low", number(paired.map(|it| it.interval.low))),
            ("high", number(paired.map(|it| it.interval.high))),
            ("rows", count(self.rows())),
            ("better_with", paired.map_or(Value::Null, |it| count(it.wins))),
            ("worse_with", paired.map_or(Value::Null, |it| count(it.losses))),
            ("p", number(paired.map(|it| it.p))),
            ("p_corrected", number(paired.map(|_| self.p))),
            ("finding", self.finding.as_str().into()),
        ])
    }
}

fn smaller_value(it: &Smaller) -> Value {
    let (verdict, why) = match &it.verdict {
        Verdict::Kept => ("not reliably worse", Value::Null),
        Verdict::Worse => ("reliably worse", Value::Null),
        Verdict::None(why) => ("none", why.as_str().into()),
    };
    object([
        ("dropped", Value::list(it.dropped.iter().map(|it| Value::from(it.as_str())))),
        ("state", it.state.as_ref().map_or(Value::Null, |it| it.hash().as_str().into())),
        ("comparison", it.comparison.as_ref().map_or(Value::Null, |it| it.to_value())),
        ("verdict", verdict.into()),
        ("why", why),
    ])
}

fn object<const N: usize>(parts: [(&str, Value); N]) -> Value {
    Value::map(parts.into_iter().map(|(name, it)| (Arc::from(name), it)).collect::<Record>())
}
