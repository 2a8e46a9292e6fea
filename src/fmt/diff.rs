//! The lines in which two texts differ, as `diff -u` shows them.

use std::fmt::Write as _;
use std::ops::Range;

/// Lines around a change that are shown too.
const CONTEXT: usize = 3;
/// Texts that differ in more lines than this are shown as one change: the search costs their
/// square.
const MAX_EDITS: usize = 2_000;

/// Lines of the old text in place of which lines of the new one stand.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    old: Range<usize>,
    new: Range<usize>,
}

/// Returns a unified diff of two texts, with `name` in its head; empty if they are equal.
pub fn unified(name: &str, old: &str, new: &str) -> String {
    let (old_lines, new_lines) = (lines(old), lines(new));
    let changes = changes(&old_lines, &new_lines);
    if changes.is_empty() {
        return String::new();
    }
    let mut out = format!("--- {name}\n+++ {name}\n");
    for hunk in changes.chunk_by(|a, b| b.old.start - a.old.end <= 2 * CONTEXT) {
        write_hunk(&mut out, hunk, &old_lines, &new_lines);
    }
    out
}

/// The lines of a text with their ends.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn write_hunk(out: &mut String, hunk: &[Change], old: &[&str], new: &[&str]) {
    let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { return };
    let before = first.old.start.min(CONTEXT);
    let behind = (old.len() - last.old.end).min(CONTEXT);
    let olds = first.old.start - before..last.old.end + behind;
    let news = first.new.start - before..last.new.end + behind;
    let _ = writeln!(out, "@@ -{} +{} @@", place(&olds), place(&news));
    let mut at = olds.start;
    for change in hunk {
        old[at..change.old.start].iter().for_each(|line| write_line(out, ' ', line));
        old[change.old.clone()].iter().for_each(|line| write_line(out, '-', line));
        new[change.new.clone()].iter().for_each(|line| write_line(out, '+', line));
        at = change.old.end;
    }
    old[at..olds.end].iter().for_each(|line| write_line(out, ' ', line));
}

fn place(lines: &Range<usize>) -> String {
    // An empty range is named by the line before it.
    let first = if lines.is_empty() { lines.start } else { lines.start + 1 };
    if lines.len() == 1 { first.to_string() } else { format!("{first},{}", lines.len()) }
}

fn write_line(out: &mut String, mark: char, line: &str) {
    out.push(mark);
    out.push_str(line);
    if !line.ends_with('\n') {
        out.push_str("\n\\ No newline at end of file\n");
    }
}

fn changes(old: &[&str], new: &[&str]) -> Vec<Change> {
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let head = old.iter().zip(new).take_while(same).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(same).count();
    let (olds, news) = (head..old.len() - tail, head..new.len() - tail);
    let mut changes = Vec::new();
    for change in edits(&old[olds], &new[news]) {
        let shift = |range: &Range<usize>, by| range.start + by..range.end + by;
        let change = Change { old: shift(&change.old, head), new: shift(&change.new, head) };
        match changes.last_mut() {
            Some(Change { old, new })
                if old.end == change.old.start && new.end == change.new.start =>
            {
                (old.end, new.end) = (change.old.end, change.new.end);
            }
            _ => changes.push(change),
        }
    }
    changes
}

/// The shortest way from one text to the other, line by line, after Myers, "An O(ND) Difference
/// Algorithm" (1986).
fn edits(old: &[&str], new: &[&str]) -> Vec<Change> {
    let most = (old.len() + new.len()).min(MAX_EDITS);
    // How many lines of the old text are done on each diagonal; `middle` is the one on which
    // as many of the new one are.
    let middle = most + 1;
    let mut done = vec![0usize; 2 * middle + 1];
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    for round in 0..=most {
        rounds.push(done[middle - round - 1..=middle + round + 1].to_vec());
        for diagonal in (middle - round..=middle + round).step_by(2) {
            let at = diagonal + round + 1 - middle;
            let mut x = match inserts(&rounds[round], at, round) {
                true => done[diagonal + 1],
                false => done[diagonal - 1] + 1,
            };
            // Diagonals that leave the new text above its first line are not reached.
            let Some(mut y) = (x + middle).checked_sub(diagonal) else { continue };
            while x < old.len() && y < new.len() && old[x] == new[y] {
                (x, y) = (x + 1, y + 1);
            }
            done[diagonal] = x;
            if x >= old.len() && y >= new.len() {
                return walk_back(&rounds, old.len(), new.len());
            }
        }
    }
    vec![Change { old: 0..old.len(), new: 0..new.len() }]
}

/// Whether the best way to a diagonal in this round is to add a line, not to take one away.
/// Rounds of one parity touch diagonals of one parity, so those beside it are of the last round.
fn inserts(done: &[usize], at: usize, round: usize) -> bool {
    at == 1 || at != 2 * round + 1 && done[at - 1] < done[at + 1]
}

fn walk_back(rounds: &[Vec<usize>], old: usize, new: usize) -> Vec<Change> {
    let (mut x, mut y) = (old, new);
    let mut changes = Vec::new();
    for (round, done) in rounds.iter().enumerate().skip(1).rev() {
        let at = x + round + 1 - y;
        let inserted = inserts(done, at, round);
        let from = if inserted { at + 1 } else { at - 1 };
        let before = done[from];
        let before_new = before + round + 1 - from;
        changes.push(match inserted {
            true => Change { old: before..before, new: before_new..before_new + 1 },
            false => Change { old: before..before + 1, new: before_new..before_new },
        });
        (x, y) = (before, before_new);
    }
    changes.reverse();
    changes
}
