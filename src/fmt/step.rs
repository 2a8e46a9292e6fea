//! Steps: a text with its places where lines may end, as a flat list.
//!
//! Lines that may end belong to the group around them. A group is written flat if it fits, else
//! all its lines end; see [`Mode`]. [`Steps`] measures while it is filled, so that the printer
//! looks at each step once.

use crate::syntax::Token;
use unicode_width::UnicodeWidthStr;

/// One step of the printer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// A range of the source.
    Text { start: u32, end: u32, role: Role },
    /// A space, unless a line ends.
    Space,
    /// So many spaces where the group is broken, one where it is flat.
    Pad(u16),
    /// Where a line may end.
    Line(Line),
    /// Where a line ends.
    Hard,
    /// An empty line, if a line begins here.
    Blank,
    /// A comma, where the group is broken and where it is flat.
    Comma { broken: bool, flat: bool },
    /// A comment inside a line.
    Inline(Token),
    /// A comment after which its line ends.
    Behind(Token),
    /// A comment on a line of its own.
    Own(Token),
    /// A group begins.
    Open(u32),
    /// The last group ends.
    Close,
    /// Lines stand further right from here on, if the group is broken.
    Indent,
    /// The end of that.
    Dedent,
}

/// What a text means for what stands around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Plain,
    /// An opening bracket: no empty line and no space before a comment comes behind it.
    Opener,
    /// A closing bracket.
    Closer,
    /// A comma: stands before a comment that ends the line.
    Separator,
    /// A string that goes on behind a backslash at the end of a line.
    Continued,
}

/// What a line is that does not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Nothing.
    Soft,
    /// A space.
    Space,
    /// Two spaces.
    Wide,
    /// A space; in a broken group too, as long as what follows fits.
    Fill,
}

impl Line {
    pub(super) fn width(self) -> usize {
        match self {
            Self::Soft => 0,
            Self::Space | Self::Fill => 1,
            Self::Wide => 2,
        }
    }
}

/// How a group is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// On one line.
    Flat,
    /// Flat, but for its last part, which is broken: `f(a, #{`.
    Hug,
    /// All its lines end.
    Broken,
}

/// A group.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    /// Its first step.
    pub(super) open: usize,
    /// Its last.
    pub(super) close: usize,
    /// Whether a line ends in it in any case.
    pub(super) forced: bool,
    /// Whether one does outside of the part that may be hugged.
    pub(super) forced_outside: bool,
    /// Whether it is always flat.
    pub(super) flat_only: bool,
    /// The part that may be hugged.
    pub(super) hug: Option<Hug>,
    /// Whether the steps that are added now are of that part.
    in_hug: bool,
}

/// The part of a group that is broken when the rest is flat.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hug {
    /// The group that is broken then; none where the part has a line end in a text.
    pub(super) target: Option<u32>,
    /// Its first step.
    pub(super) start: usize,
}

/// Steps and what was measured of them.
#[derive(Debug)]
pub(super) struct Steps {
    pub(super) list: Vec<Step>,
    /// The flat width of all steps before each, and of all.
    pub(super) before: Vec<usize>,
    pub(super) groups: Vec<Group>,
    open: Vec<u32>,
}

/// A place to come back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Here {
    list: usize,
    groups: usize,
}

impl Steps {
    /// Returns no steps.
    pub(super) fn new() -> Self {
        Self { list: Vec::new(), before: vec![0], groups: Vec::new(), open: Vec::new() }
    }

    /// Adds a step of this flat width.
    pub(super) fn push(&mut self, step: Step, width: usize) {
        self.before.push(self.total() + width);
        self.list.push(step);
    }

    /// The flat width of all steps so far.
    pub(super) fn total(&self) -> usize {
        self.before[self.list.len()]
    }

    /// Begins a group.
    pub(super) fn open(&mut self) -> u32 {
        let id = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        self.groups.push(Group { open: self.list.len(), ..Group::default() });
        self.open.push(id);
        self.push(Step::Open(id), 0);
        id
    }

    /// Ends the group that was begun last.
    pub(super) fn close(&mut self) {
        if let Some(id) = self.open.pop() {
            self.groups[id as usize].close = self.list.len();
            self.push(Step::Close, 0);
        }
    }

    /// Begins the part of the group `id` that may be hugged.
    pub(super) fn begin_hug(&mut self, id: u32) {
        let group = &mut self.groups[id as usize];
        group.in_hug = true;
        group.hug = Some(Hug { target: None, start: self.list.len() });
    }

    /// Ends that part.
    pub(super) fn end_hug(&mut self, id: u32) {
        self.groups[id as usize].in_hug = false;
    }

    /// Says which group is broken when the part of the group `id` is hugged.
    pub(super) fn set_target(&mut self, id: u32, target: u32) {
        if let Some(hug) = &mut self.groups[id as usize].hug {
            hug.target = Some(target);
        }
    }

    /// Says that a line ends here, which no group around can change.
    pub(super) fn force(&mut self) {
        for id in self.open.iter().rev() {
            let group = &mut self.groups[*id as usize];
            let known = group.forced && (group.in_hug || group.forced_outside);
            group.forced = true;
            group.forced_outside |= !group.in_hug;
            if known || group.flat_only {
                // What is around it was told then, or must not hear of it.
                return;
            }
        }
    }

    /// Whether a line ends in any case in a group that was begun since this step.
    pub(super) fn is_forced_since(&self, step: usize) -> bool {
        self.groups.iter().rev().take_while(|it| it.open >= step).any(|it| it.forced)
    }

    /// This place.
    pub(super) fn here(&self) -> Here {
        Here { list: self.list.len(), groups: self.groups.len() }
    }

    /// Takes back all since `here`, where the same groups were open.
    pub(super) fn back_to(&mut self, here: Here) {
        self.list.truncate(here.list);
        self.before.truncate(here.list + 1);
        self.groups.truncate(here.groups);
    }
}

/// The width of a text on a terminal, up to its first line end.
pub(super) fn width(text: &str) -> usize {
    let line = text.split('\n').next().unwrap_or_default();
    if line.is_ascii() { line.len() } else { line.width() }
}
