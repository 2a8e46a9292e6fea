//! Steps to text.

use crate::fmt::step::{Line, Mode, Role, Step, Steps, width};
use crate::syntax::Token;

/// How far each level stands to the right.
const INDENT: usize = 4;

/// Writes steps as a text of lines that end with `\n`.
pub(super) fn print(steps: &Steps, text: &str, width: usize) -> String {
    let mut printer = Printer {
        steps,
        text,
        width,
        tails: tails(steps),
        out: String::with_capacity(text.len() + text.len() / 8),
        column: 0,
        indent: 0,
        indents: Vec::new(),
        modes: Vec::new(),
        targets: Vec::new(),
        at_start: true,
        deeper: false,
        blank: false,
        after_opener: true,
        space: 0,
        comment_before: false,
        only_comments: false,
        behind: Vec::new(),
    };
    for at in 0..steps.list.len() {
        printer.step(at);
    }
    printer.end_line();
    printer.out
}

/// For each step, the width of it and what follows up to where a line may end.
fn tails(steps: &Steps) -> Vec<usize> {
    let mut tails = vec![0; steps.list.len() + 1];
    for at in (0..steps.list.len()).rev() {
        tails[at] = match steps.list[at] {
            Step::Line(_) | Step::Hard => 0,
            // It may be written where the group around is broken.
            Step::Comma { .. } => tails[at + 1] + 1,
            Step::Pad(wide) => tails[at + 1] + usize::from(wide),
            _ => tails[at + 1] + steps.before[at + 1] - steps.before[at],
        };
    }
    tails
}

struct Printer<'a> {
    steps: &'a Steps,
    text: &'a str,
    width: usize,
    tails: Vec<usize>,
    out: String,
    /// The width of the line so far.
    column: usize,
    /// Where lines begin.
    indent: usize,
    indents: Vec<usize>,
    modes: Vec<Mode>,
    /// Groups that have to be broken, for one around them is hugged.
    targets: Vec<u32>,
    /// Whether nothing stands on the line yet.
    at_start: bool,
    /// Whether the line goes on with the one before, and so stands further right.
    deeper: bool,
    /// Whether an empty line comes before the next text.
    blank: bool,
    /// Whether an opening bracket, or nothing, came last.
    after_opener: bool,
    /// Spaces before the next text.
    space: usize,
    /// Whether a comment inside the line came last.
    comment_before: bool,
    /// Whether nothing but comments stands on the line.
    only_comments: bool,
    /// Comments that stand at the end of this line.
    behind: Vec<Token>,
}

impl Printer<'_> {
    fn step(&mut self, at: usize) {
        match self.steps.list[at] {
            Step::Text { start, end, role } => self.text(start as usize, end as usize, role),
            Step::Space => self.space(1),
            Step::Pad(wide) => {
                let wide = if self.mode() == Mode::Broken { usize::from(wide) } else { 1 };
                self.space(wide);
            }
            Step::Line(line) => self.line(line, at),
            Step::Hard => self.end_line(),
            Step::Blank => self.blank |= self.at_start && !self.after_opener,
            Step::Comma { broken, flat } => {
                if if self.mode() == Mode::Broken { broken } else { flat } {
                    self.ready(",", Role::Separator);
                    self.put(",");
                    self.after_opener = false;
                }
            }
            Step::Inline(token) => self.inline(token),
            // Nothing stands before it where its separator was dropped.
            Step::Behind(token) if self.at_start => self.own(token),
            Step::Behind(token) => self.behind.push(token),
            Step::Own(token) => self.own(token),
            Step::Open(id) => {
                let mode = self.mode_of(id);
                self.modes.push(mode);
            }
            Step::Close => {
                self.modes.pop();
            }
            Step::Indent => {
                self.indents.push(self.indent);
                if self.mode() == Mode::Broken {
                    self.indent += INDENT;
                }
            }
            Step::Dedent => self.indent = self.indents.pop().unwrap_or_default(),
        }
    }

    fn mode(&self) -> Mode {
        self.modes.last().copied().unwrap_or(Mode::Broken)
    }

    /// How the group is written that begins here.
    fn mode_of(&mut self, id: u32) -> Mode {
        let group = &self.steps.groups[id as usize];
        let forced_by_hug = self.targets.contains(&id);
        self.targets.retain(|it| *it != id);
        if self.mode() == Mode::Flat || group.flat_only {
            return Mode::Flat;
        }
        let before = &self.steps.before;
        let begins = self.column + self.space.max(usize::from(self.comment_before));
        let begins = if self.at_start { self.line_indent() } else { begins };
        let flat = before[group.close] - before[group.open] + self.tails[group.close];
        if !group.forced && !forced_by_hug && begins + flat <= self.width {
            return Mode::Flat;
        }
        let Some(hug) = group.hug.filter(|_| !group.forced_outside) else {
            return Mode::Broken;
        };
        // Up to the first line end in the part that is hugged.
        let from = hug.target.map_or(hug.start, |it| self.steps.groups[it as usize].open);
        let until = before[self.first_end(from, group.close)] - before[group.open];
        if begins + until > self.width {
            return Mode::Broken;
        }
        self.targets.extend(hug.target);
        Mode::Hug
    }

    /// The step behind the first text before which, or in which, a line may end.
    fn first_end(&self, from: usize, to: usize) -> usize {
        let ends = |step: &Step| match step {
            Step::Line(_) | Step::Hard => true,
            Step::Text { start, end, .. } => {
                self.text[*start as usize..*end as usize].contains('\n')
            }
            _ => false,
        };
        let list = &self.steps.list[from..to];
        let found = list.iter().position(ends).unwrap_or(list.len());
        let is_text = matches!(list.get(found), Some(Step::Text { .. }));
        from + found + usize::from(is_text)
    }

    fn line(&mut self, line: Line, at: usize) {
        let ends = match (self.mode(), line) {
            (Mode::Broken, Line::Fill) => {
                let next = self.column + line.width() + self.tails[at + 1];
                !self.behind.is_empty() || self.at_start || next > self.width
            }
            (mode, _) => mode == Mode::Broken,
        };
        if ends {
            self.end_line();
        } else {
            self.space(line.width());
        }
    }

    fn space(&mut self, wide: usize) {
        if !self.at_start {
            self.space = self.space.max(wide);
        }
    }

    /// Ends the line, if something stands on it.
    fn end_line(&mut self) {
        self.deeper = false;
        if self.at_start {
            return;
        }
        for token in std::mem::take(&mut self.behind) {
            self.out.push(' ');
            self.out.push_str(token.text(self.text).trim_end());
            self.after_opener = false;
        }
        self.out.push('\n');
        self.at_start = true;
        self.space = 0;
        self.comment_before = false;
        self.column = 0;
    }

    /// Ends the line where none was meant to end.
    fn end_line_inside(&mut self) {
        let deeper = !self.at_start || self.deeper;
        self.end_line();
        self.deeper = deeper;
    }

    fn line_indent(&self) -> usize {
        self.indent + if self.deeper { INDENT } else { 0 }
    }

    /// Writes what stands before a text on its line.
    fn begin(&mut self) {
        if self.at_start {
            if std::mem::take(&mut self.blank) {
                self.out.push('\n');
            }
            self.column = self.line_indent();
            self.out.extend(std::iter::repeat_n(' ', self.column));
            self.at_start = false;
            self.only_comments = true;
        } else {
            self.out.extend(std::iter::repeat_n(' ', self.space));
            self.column += self.space;
        }
        self.space = 0;
        self.comment_before = false;
    }

    fn text(&mut self, start: usize, end: usize, role: Role) {
        let shown = &self.text[start..end];
        self.ready(shown, role);
        if role == Role::Continued {
            self.put(&self.continued(start, shown));
        } else if shown.contains('\r') {
            self.put(&with_plain_ends(shown));
        } else {
            self.put(shown);
        }
        self.after_opener = role == Role::Opener;
    }

    /// Goes to where a text is to stand.
    fn ready(&mut self, shown: &str, role: Role) {
        if !self.behind.is_empty() && role != Role::Separator {
            self.end_line_inside();
        }
        let glued = matches!(shown, "," | ";" | "." | "?." | ":") || role == Role::Closer;
        if self.comment_before && !glued {
            self.space(1);
        }
        self.begin();
        self.only_comments = false;
    }

    fn put(&mut self, shown: &str) {
        self.out.push_str(shown);
        self.column = match shown.rsplit_once('\n') {
            Some((_, last)) => width(last),
            None => self.column + width(shown),
        };
    }

    /// A comment inside a line.
    fn inline(&mut self, token: Token) {
        if !self.behind.is_empty() {
            self.end_line_inside();
        }
        if !self.out.ends_with(['(', '[']) {
            self.space(1);
        }
        self.comment(token);
        self.comment_before = true;
    }

    /// A comment on a line of its own, or with other comments.
    fn own(&mut self, token: Token) {
        // Behind a comment that a word stands before, it would be taken for one of that word.
        let beside_comment =
            self.comment_before && self.only_comments && self.behind.is_empty();
        if beside_comment {
            self.space(1);
        } else {
            self.end_line_inside();
        }
        self.comment(token);
        let deeper = self.deeper || !self.only_comments;
        self.end_line();
        self.deeper = deeper;
    }

    fn comment(&mut self, token: Token) {
        self.begin();
        let shown = with_plain_ends(token.text(self.text).trim_end());
        let shown = shifted(shown, column_of(self.text, token.start), self.column);
        self.out.push_str(&shown);
        self.column = match shown.rsplit_once('\n') {
            Some((_, last)) => width(last),
            None => self.column + width(&shown),
        };
        self.after_opener = false;
    }

    /// A string that goes on behind a backslash at the end of a line. The host language passes
    /// over the white space of such a line up to the column of the quote, so what is more than
    /// that moves with the quote.
    fn continued(&self, start: usize, shown: &str) -> String {
        let old = column_of(self.text, to_u32(start)) + 1;
        let new = column_of(&self.out, to_u32(self.out.len())) + 1;
        let mut lines = shown.split('\n');
        let mut out = lines.next().unwrap_or_default().trim_end_matches('\r').to_owned();
        for line in lines {
            let line = line.trim_end_matches('\r');
            let white = line.chars().take_while(|it| it.is_whitespace()).count();
            let passed = white.min(old);
            let rest = line.char_indices().nth(passed).map_or("", |(at, _)| &line[at..]);
            let kept = if white > old { new } else { white.min(new) };
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', kept));
            out.push_str(rest);
        }
        out
    }
}

/// The text with `\n` for `\r\n`. More than one `\r` before an end are no way to end a line, and
/// stay: else a second layout would take the next of them away.
fn with_plain_ends(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.strip_suffix("\r\n") {
            Some(line) if !line.ends_with('\r') => {
                out.push_str(line);
                out.push('\n');
            }
            Some(_) | None => out.push_str(line),
        }
    }
    out
}

/// The column of a byte, from 0, in characters.
fn column_of(text: &str, at: u32) -> usize {
    let before = &text[..at as usize];
    let line = before.rfind('\n').map_or(0, |it| it + 1);
    before[line..].chars().count()
}

fn to_u32(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// A comment of several lines, moved as a whole, as far as its lines have room.
fn shifted(comment: String, from: usize, to: usize) -> String {
    if from == to || !comment.contains('\n') {
        return comment;
    }
    let room = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let rest = comment.split('\n').skip(1);
    let blank = |line: &&str| !line.trim().is_empty();
    let fits = rest.clone().filter(blank).all(|line| {
        let tabs = line.trim_start_matches(' ').starts_with('\t');
        !tabs && room(line) + to >= from
    });
    if !fits {
        return comment;
    }
    let mut out = comment.split('\n').next().unwrap_or_default().trim_end().to_owned();
    for line in rest {
        out.push('\n');
        if !line.trim().is_empty() {
            out.extend(std::iter::repeat_n(' ', room(line) + to - from));
            out.push_str(line.trim_start_matches(' ').trim_end());
        }
    }
    out
}
