//! What is wrong with rows: finds it, and says what to do.
//!
//! Rows are gone through twice: first for what stands in the columns and for those that give
//! the label away, then for inputs that are equal or nearly so. Columns that give the label
//! away are left out of what makes inputs equal, else no row would be equal to another with
//! another label.

use crate::data::findings::{Finding, Level, Report};
use crate::data::giveaway::{Giveaways, Gives};
use crate::data::near::Near;
use crate::data::profile::{self, Column, words};
use crate::data::split::bad;
use crate::data::table::Read;
use crate::data::{Dataset, roles};
use crate::schema::Record;
use indexmap::{IndexMap, IndexSet};
use std::sync::Arc;

/// Which columns are what.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CheckOptions {
    /// The columns that make rows equal; by the usual names of columns when there are none.
    pub inputs: Vec<String>,
    /// The column that holds what is right; by the usual names when it is left out.
    pub label: Option<String>,
}

/// Looks at parts of data, each with its name.
///
/// # Errors
/// Columns that are not there, and a file that cannot be read again.
pub fn check(parts: &[(String, Dataset)], options: &CheckOptions) -> Read<Report> {
    let mut check = Check::new(parts, options)?;
    check.columns()?;
    check.rows()?;
    check.report.findings.sort_by_key(|it| it.level);
    Ok(check.report)
}

/// A check under way.
struct Check<'a> {
    parts: &'a [(String, Dataset)],
    options: &'a CheckOptions,
    /// The place of the first row of each part among all rows.
    starts: Vec<usize>,
    /// The columns of all parts.
    names: Vec<Arc<str>>,
    /// Columns that give the label away.
    given: Vec<Arc<str>>,
    texts: Vec<Arc<str>>,
    report: Report,
}

impl<'a> Check<'a> {
    fn new(parts: &'a [(String, Dataset)], options: &'a CheckOptions) -> Read<Self> {
        let names: IndexSet<Arc<str>> = parts.iter().flat_map(|(_, it)| it.columns()).collect();
        let names: Vec<Arc<str>> = names.into_iter().collect();
        let inputs = options.inputs.iter().map(|it| ("inputs", it));
        for (what, name) in inputs.chain(options.label.iter().map(|it| ("label", it))) {
            roles::known(what, name, &names).map_err(|message| bad(&message))?;
        }
        let label = options.label.as_deref().map(Arc::from);
        let label = label.or_else(|| profile::label(&names));
        let mut starts = Vec::new();
        let mut rows = 0;
        for (_, part) in parts {
            starts.push(rows);
            rows += part.len();
        }
        let counts = parts.iter().map(|(name, part)| (name.clone(), part.len())).collect();
        let report = Report { parts: counts, label, inputs: Vec::new(), findings: Vec::new() };
        Ok(Self { parts, options, starts, names, given: Vec::new(), texts: Vec::new(), report })
    }

    /// The part of a row, and the row's place in it.
    fn part(&self, row: usize) -> (usize, usize) {
        let part = self.starts.partition_point(|start| *start <= row).saturating_sub(1);
        // Parts without rows begin where the next one does.
        let part = (part..self.parts.len())
            .find(|at| row - self.starts[*at] < self.parts[*at].1.len());
        let part = part.unwrap_or_default();
        (part, row - self.starts[part])
    }

    /// Where a row stands: `train.jsonl:17`; rows that came from no file by their part.
    fn place(&self, row: usize) -> String {
        let (part, at) = self.part(row);
        let (name, data) = &self.parts[part];
        let origin = data.origin(at).unwrap_or_default();
        match origin.strip_prefix("row ") {
            Some(_) if self.parts.len() > 1 => format!("{name} {origin}"),
            _ => origin,
        }
    }

    fn found(
        &mut self,
        level: Level,
        kind: &'static str,
        field: Option<&Arc<str>>,
    ) -> Told<'_, 'a> {
        let finding = Finding {
            level,
            kind,
            field: field.cloned(),
            message: String::new(),
            rows: 0,
            places: Vec::new(),
            advice: String::new(),
        };
        Told { check: self, finding }
    }

    /// Goes through all rows with their places among all.
    fn each(&self, mut take: impl FnMut(usize, &Record)) -> Read<()> {
        let all = self.parts.iter().flat_map(|(_, data)| data.iter());
        for (at, row) in all.enumerate() {
            take(at, &row?.values);
        }
        Ok(())
    }

    /// What stands in the columns.
    fn columns(&mut self) -> Read<()> {
        let mut columns: IndexMap<Arc<str>, Column> = IndexMap::new();
        let mut filled: IndexMap<(usize, Arc<str>), usize> = IndexMap::new();
        let mut empty: IndexMap<Arc<str>, Vec<usize>> = IndexMap::new();
        let label = self.report.label.clone();
        let mut giveaways = label.as_ref().map(|label| {
            let wanted = |it: &&Arc<str>| !roles::is_number(it) && !roles::is_label(it);
            let names: Vec<_> = self.names.iter().filter(wanted).cloned().collect();
            Giveaways::new(label, &names)
        });
        self.each(|at, values| {
            profile::add(&mut columns, at, values);
            giveaways.iter_mut().for_each(|it| it.add(values));
            for name in &self.names {
                if profile::is_missing(values.get(name)) {
                    empty.entry(Arc::clone(name)).or_default().push(at);
                } else {
                    *filled.entry((self.part(at).0, Arc::clone(name))).or_insert(0) += 1;
                }
            }
        })?;
        for (name, rows) in &empty {
            self.missing(name, rows, &filled);
        }
        for (name, column) in &columns {
            self.mixed(name, column);
            self.lengths(name, column);
        }
        if let Some(giveaways) = &giveaways {
            self.giveaways(giveaways);
            self.balance(giveaways)?;
        }
        self.texts = self.inputs();
        self.report.inputs.clone_from(&self.texts);
        self.texts.retain(|name| columns.get(name).is_some_and(Column::is_text));
        Ok(())
    }

    /// The columns that make rows equal.
    fn inputs(&self) -> Vec<Arc<str>> {
        if !self.options.inputs.is_empty() {
            return self.options.inputs.iter().map(|it| Arc::from(it.as_str())).collect();
        }
        let mut except: Vec<&str> = self.given.iter().map(|it| &**it).collect();
        except.extend(self.report.label.as_deref());
        roles::inputs(&self.names, &except)
    }

    fn missing(
        &mut self,
        name: &Arc<str>,
        rows: &[usize],
        filled: &IndexMap<(usize, Arc<str>), usize>,
    ) {
        let lacking: Vec<usize> = (0..self.parts.len())
            .filter(|part| !filled.contains_key(&(*part, Arc::clone(name))))
            .filter(|part| !self.parts[*part].1.is_empty())
            .collect();
        let label = self.report.label.as_ref() == Some(name);
        let level = if label { Level::Serious } else { Level::Warning };
        for part in &lacking {
            let (part_name, data) = &self.parts[*part];
            let (message, count) = (format!("no row of {part_name} has `{name}`"), data.len());
            let mut told = self.found(level, "missing", Some(name));
            told.finding.rows = count;
            told.say(message, "name the columns alike in all files");
        }
        let rows: Vec<usize> =
            rows.iter().copied().filter(|row| !lacking.contains(&self.part(*row).0)).collect();
        if rows.is_empty() {
            return;
        }
        let message = format!("`{name}` is missing or empty in {}", plural(rows.len(), "row"));
        let mut told = self.found(level, "missing", Some(name));
        told.rows(rows.iter().map(|row| vec![*row]));
        told.say(message, "fill it, leave the rows out, or make the field optional (`T?`)");
    }

    fn mixed(&mut self, name: &Arc<str>, column: &Column) {
        let types = column.types();
        if types.len() < 2 {
            return;
        }
        let counts: Vec<String> =
            column.kinds.iter().map(|(kind, count)| format!("{kind} {count} times")).collect();
        let mut rows: Vec<usize> = column.first.values().copied().collect();
        rows.sort_unstable();
        let few = column.kinds.values().min().copied().unwrap_or_default();
        let message = format!("`{name}` is {}", counts.join(", "));
        let mut told = self.found(Level::Serious, "mixed types", Some(name));
        told.rows(rows.into_iter().map(|row| vec![row]));
        told.finding.rows = few;
        told.say(message, "write one type: `1` and `\"1\"` are never equal");
    }

    /// Texts that are far longer than the others.
    fn lengths(&mut self, name: &Arc<str>, column: &Column) {
        let mut lengths: Vec<u32> = column.lengths.iter().map(|it| it.1).collect();
        if lengths.len() < 20 {
            return;
        }
        lengths.sort_unstable();
        let quarter = |n: usize| lengths[(lengths.len() - 1) * n / 4];
        let (low, middle, high) = (quarter(1), quarter(2), quarter(3));
        let spread = (high - low).saturating_mul(5);
        let most = high.saturating_add(spread).max(middle.saturating_mul(4)).max(200);
        let long = column.lengths.iter().filter(|it| it.1 > most);
        let rows: Vec<usize> = long.map(|it| it.0 as usize).collect();
        let Some(longest) = lengths.last().filter(|_| !rows.is_empty()) else { return };
        let message = format!(
            "`{name}` has up to {longest} characters in {}; half have at most {middle}",
            plural(rows.len(), "row")
        );
        let mut told = self.found(Level::Warning, "length", Some(name));
        told.rows(rows.into_iter().map(|row| vec![row]));
        told.say(message, "look at them: they cost most, and may be cut off or broken");
    }

    fn giveaways(&mut self, giveaways: &Giveaways) {
        let label = self.report.label.clone().unwrap_or_default();
        let classes = giveaways.classes().is_some();
        for (name, gives) in giveaways.found() {
            let (message, share, level) = match gives {
                Gives::Determines(share) => {
                    (format!("`{name}` determines `{label}`"), share, Level::Serious)
                }
                Gives::Contains(share) => {
                    // The answer stands in the passage where that is the task.
                    let level = if classes { Level::Serious } else { Level::Note };
                    (format!("`{name}` contains `{label}`"), share, level)
                }
            };
            let message = format!("{message} in {:.0} % of the rows", share * 100.0);
            let advice = match level {
                Level::Note => "right where the task is to find it; else leave the column out",
                Level::Serious | Level::Warning => {
                    "give no predictor this input: `data.map(|row| row.without(…))`"
                }
            };
            if matches!(gives, Gives::Determines(_)) {
                self.given.push(Arc::clone(&name));
            }
            self.found(level, "giveaway", Some(&name)).say(message, advice);
        }
    }

    /// Labels that are rare, take nearly all, or are missing from a part.
    fn balance(&mut self, giveaways: &Giveaways) -> Read<()> {
        let Some(classes) = giveaways.classes() else { return Ok(()) };
        let name = self.report.label.clone().unwrap_or_default();
        let all: usize = classes.values().sum();
        let (most, count) =
            classes.iter().max_by_key(|it| it.1).map_or(("", 0), |it| (it.0, *it.1));
        if count * 5 >= all * 4 {
            let message = format!("`{most}` is the `{name}` of {count} of {all} rows");
            let mut told = self.found(Level::Warning, "balance", Some(&name));
            told.finding.rows = count;
            told.say(
                message,
                "always saying so scores that much: judge by a metric that sees the others",
            );
        }
        let rare: Vec<String> = classes
            .iter()
            .filter(|it| *it.1 < 5)
            .map(|(label, count)| format!("`{label}` {count}"))
            .collect();
        if !rare.is_empty() {
            let shown = clipped(&rare, 8);
            let message = format!(
                "{} of {} labels have fewer than 5 rows: {shown}",
                rare.len(),
                classes.len()
            );
            let told = self.found(Level::Warning, "balance", Some(&name));
            told.say(
                message,
                "find more of them, or join labels: no score can tell about so few",
            );
        }
        self.unseen(&name)
    }

    /// Labels of later parts that the first one lacks.
    fn unseen(&mut self, label: &Arc<str>) -> Read<()> {
        let mut known = IndexSet::new();
        let mut unseen: IndexMap<usize, IndexMap<String, Vec<usize>>> = IndexMap::new();
        self.each(|at, values| {
            let Some(value) = values.get(label).filter(|it| !it.is_null()) else { return };
            match self.part(at).0 {
                0 => drop(known.insert(value.to_json())),
                part if !known.contains(&value.to_json()) => {
                    let labels = unseen.entry(part).or_default();
                    labels.entry(value.to_string()).or_default().push(at);
                }
                _ => {}
            }
        })?;
        for (part, labels) in unseen {
            let names: Vec<String> = labels.keys().map(|it| format!("`{it}`")).collect();
            let message = format!(
                "{} of {} not in {}: {}",
                plural(names.len(), "label"),
                self.parts[part].0,
                self.parts[0].0,
                clipped(&names, 8)
            );
            let mut told = self.found(Level::Warning, "balance", Some(label));
            told.rows(labels.into_values());
            told.say(message, "split anew with `by:`, so that each part has its share");
        }
        Ok(())
    }

    /// Inputs that are equal, or nearly so.
    fn rows(&mut self) -> Read<()> {
        let inputs = self.report.inputs.clone();
        let (mut same, mut near) =
            (IndexMap::<u64, Vec<(usize, String)>>::new(), Near::default());
        let label = self.report.label.clone();
        self.each(|at, values| {
            let said = label.as_ref().and_then(|it| values.get(it));
            let said = said.map_or(String::new(), ToString::to_string);
            let rows = same.entry(roles::hash(values, &inputs)).or_default();
            rows.push((at, said));
            if rows.len() == 1 {
                let texts = self.texts.iter().filter_map(|name| values.get(name)).map(words);
                near.add(at, &texts.collect::<Vec<_>>().join(" "));
            }
        })?;
        same.retain(|_, rows| rows.len() > 1);
        self.disagreeing(&same);
        let places = |rows: &Vec<(usize, String)>| rows.iter().map(|it| it.0).collect();
        let (_, across) = self.by_parts(same.values().map(places).collect());
        let agree = same.values().filter(|rows| !differ(rows));
        let (inside, _) = self.by_parts(agree.map(places).collect());
        let advice = "`split` keeps equal inputs together; leave these rows out of one part";
        self.alike(
            Level::Serious,
            "leak",
            across,
            "have inputs that other parts have too",
            advice,
        );
        let advice = "`data.unique()` keeps one of each; doubles count twice in every score";
        self.alike(
            Level::Warning,
            "duplicate",
            inside,
            "have the same inputs and label",
            advice,
        );
        let (inside, across) = self.by_parts(near.groups());
        let advice = "look whether one was made from the other; if so keep them in one part";
        let what = "have nearly the inputs of rows of other parts";
        self.alike(Level::Warning, "near leak", across, what, advice);
        let what = "have nearly the same inputs";
        self.alike(
            Level::Note,
            "near duplicate",
            inside,
            what,
            "look whether they say anything new",
        );
        Ok(())
    }

    /// Equal inputs with different labels.
    fn disagreeing(&mut self, same: &IndexMap<u64, Vec<(usize, String)>>) {
        let groups: Vec<_> = same.values().filter(|rows| differ(rows)).collect();
        let Some(first) = groups.first() else { return };
        let labels: IndexSet<&str> = first.iter().map(|it| it.1.as_str()).collect();
        let labels: Vec<String> = labels.into_iter().map(|it| format!("`{it}`")).collect();
        let message = format!(
            "{} with different labels, the first {}",
            plural(groups.len(), "input"),
            clipped(&labels, 4)
        );
        let label = self.report.label.clone();
        let mut told = self.found(Level::Serious, "disagreement", label.as_ref());
        told.rows(groups.iter().map(|rows| rows.iter().map(|it| it.0).collect()));
        told.say(message, "decide which is right: no program can score on both");
    }

    /// Groups with several rows of one part, and groups that span parts.
    fn by_parts(&self, groups: Vec<Vec<usize>>) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        let spans = |rows: &Vec<usize>| {
            rows.iter().any(|row| self.part(*row).0 != self.part(rows[0]).0)
        };
        let (across, mut inside): (Vec<_>, Vec<_>) = groups.into_iter().partition(spans);
        for rows in &across {
            let mut parts: IndexMap<usize, Vec<usize>> = IndexMap::new();
            rows.iter().for_each(|row| parts.entry(self.part(*row).0).or_default().push(*row));
            inside.extend(parts.into_values().filter(|it| it.len() > 1));
        }
        (inside, across)
    }

    fn alike(
        &mut self,
        level: Level,
        kind: &'static str,
        groups: Vec<Vec<usize>>,
        what: &str,
        advice: &str,
    ) {
        if groups.is_empty() {
            return;
        }
        let count: usize = groups.iter().map(Vec::len).sum();
        let message =
            format!("{} in {} {what}", plural(count, "row"), plural(groups.len(), "group"));
        // Where most rows are alike they follow patterns, and each pair says little.
        let all: usize = self.parts.iter().map(|it| it.1.len()).sum();
        let patterns = kind.starts_with("near") && count * 2 > all;
        let (level, advice) = match patterns {
            true => {
                (Level::Note, "most rows follow a few patterns: see that each part has all")
            }
            false => (level, advice),
        };
        let mut told = self.found(level, kind, None);
        told.rows(groups.into_iter());
        told.say(message, advice);
    }
}

/// A finding that is being written.
struct Told<'c, 'a> {
    check: &'c mut Check<'a>,
    finding: Finding,
}

impl Told<'_, '_> {
    /// How many groups of rows a finding names.
    const NAMED: usize = 20;
    /// How many rows of a group.
    const OF_GROUP: usize = 6;

    /// Names groups of rows that belong together.
    fn rows(&mut self, groups: impl Iterator<Item = Vec<usize>>) {
        for (at, group) in groups.enumerate() {
            self.finding.rows += group.len();
            if at < Self::NAMED {
                let rows = group.iter().take(Self::OF_GROUP);
                self.finding.places.push(rows.map(|row| self.check.place(*row)).collect());
            }
        }
    }

    fn say(mut self, message: String, advice: &str) {
        self.finding.message = message;
        advice.clone_into(&mut self.finding.advice);
        self.check.report.findings.push(self.finding);
    }
}

/// Whether rows have different labels.
fn differ(rows: &[(usize, String)]) -> bool {
    rows.iter().any(|it| it.1 != rows[0].1)
}

/// A count with its noun.
pub(super) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The first of some words, and how many more there are.
pub(super) fn clipped(words: &[String], most: usize) -> String {
    let shown = words.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    match words.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
