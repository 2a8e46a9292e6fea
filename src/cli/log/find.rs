//! `dsp log find`: from a number, or from a state's file, to what was run and where its state is.

use super::entries;
use super::entry::{self, Entry};
use super::list::{short, table};
use crate::cli::args::LogFilter;
use crate::cli::shell::{Failure, Shell};
use crate::program::State;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Finds entries by their score as it was printed, or by a state.
pub(super) fn run(
    shell: &Shell,
    score: Option<&str>,
    state: Option<&Path>,
    filter: &LogFilter,
    json: bool,
) -> Result<(), Failure> {
    let wanted = score.map(Printed::read).transpose()?;
    let state = match state {
        Some(path) => {
            Some(State::load(&*shell.host, path).map_err(|it| Failure::io(*it))?.hash())
        }
        None => None,
    };
    let mut found = entries(shell, filter)?;
    found.retain(|it| {
        let scores = [it.account.score, it.account.gain];
        let of_score = wanted
            .as_ref()
            .is_none_or(|wanted| scores.iter().flatten().any(|score| wanted.is(*score)));
        of_score && state.as_ref().is_none_or(|hash| it.account.state == *hash)
    });
    if found.is_empty() {
        let what = match (score, &state) {
            (Some(score), _) => format!("nothing scored {score}"),
            (None, Some(hash)) => format!("nothing was run with the state {}", short(hash)),
            (None, None) => "nothing was evaluated here yet".to_owned(),
        };
        let mut failure = Failure::usage(what);
        failure.exit = Failure::PROGRAM;
        if !filter.all {
            failure.hint("`--all` looks at other projects too".to_owned());
        }
        return Err(failure);
    }
    if json {
        found.iter().for_each(|it| shell.print(&it.to_line()));
        return Ok(());
    }
    shell.print(&table(shell, &found));
    shell.print(&format!("\n{}", whereabouts(shell, &found)?));
    Ok(())
}

/// A number as somebody read it, with so many digits.
#[derive(Debug)]
struct Printed {
    value: f64,
    digits: i32,
}

impl Printed {
    fn read(text: &str) -> Result<Self, Failure> {
        let wrong =
            || Failure::usage(format!("`{text}` is no score, such as `0.908` or `90.8%`"));
        let (number, percent) = match text.strip_suffix('%') {
            Some(number) => (number.trim(), true),
            None => (text, false),
        };
        let value: f64 = number.parse().map_err(|_| wrong())?;
        if !value.is_finite() {
            return Err(wrong());
        }
        let digits = number.split_once('.').map_or(0, |(_, behind)| behind.len());
        let digits = i32::try_from(digits).map_err(|_| wrong())?;
        let scale = if percent { (value / 100.0, digits + 2) } else { (value, digits) };
        Ok(Self { value: scale.0, digits: scale.1 })
    }

    /// Whether a score is printed so.
    fn is(&self, score: f64) -> bool {
        (score - self.value).abs() <= 0.5 * 10_f64.powi(-self.digits) * (1.0 + 1e-9)
    }
}

/// Where the states of entries are.
fn whereabouts(shell: &Shell, found: &[Entry]) -> Result<String, Failure> {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let all = entry::read(shell)?;
    for it in found {
        let known = places.entry(&it.account.state).or_default();
        for file in candidates(shell, it, &all) {
            let is_it =
                State::load(&*shell.host, &file).is_ok_and(|s| s.hash() == it.account.state);
            let shown = file.display().to_string();
            if is_it && !known.contains(&shown) {
                known.push(shown);
            }
        }
    }
    let empty = State::default().hash();
    let line = |(hash, files): (&str, Vec<String>)| match files[..] {
        _ if hash == empty => {
            format!("state {} is that of the program as it is written\n", short(hash))
        }
        [] => format!("state {} is in no file that is known\n", short(hash)),
        _ => format!("state {} is in {}\n", short(hash), files.join(", ")),
    };
    Ok(places.into_iter().map(line).collect())
}

/// Files that may hold the state of an entry: those that entries of that state name, and the JSON
/// files beside the script.
fn candidates(shell: &Shell, of: &Entry, all: &[Entry]) -> Vec<PathBuf> {
    let same = all.iter().filter(|it| it.account.state == of.account.state);
    let named = same.filter_map(|it| it.state_file.as_ref()).map(PathBuf::from);
    let folder = Path::new(&of.script).parent().unwrap_or(Path::new(&of.project));
    let beside = shell.host.list(folder).unwrap_or_default().into_iter();
    let is_json = |path: &PathBuf| path.extension().is_some_and(|it| it == "json");
    let beside = beside.filter(|it| !it.is_folder).map(|it| it.path).filter(is_json);
    let mut files: Vec<PathBuf> = named.chain(beside).collect();
    files.sort();
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use super::Printed;

    #[test]
    fn a_score_is_found_as_it_was_printed() {
        let is = |text: &str, score: f64| Printed::read(text).unwrap().is(score);
        assert!(is("0.908", 0.908_333) && is("0.908", 0.9075) && is("0.908", 0.9085));
        assert!(!is("0.908", 0.909) && !is("0.908", 0.9074));
        assert!(is("90.8%", 0.908_333) && is("91 %", 0.908_333) && is("+0.733", 0.7333));
        assert!(is("1", 1.0) && is("0.5", 0.5) && !is("0.50", 0.506));
        for text in ["", "x", "nan", "inf", "%"] {
            assert!(Printed::read(text).is_err(), "{text}");
        }
    }
}
