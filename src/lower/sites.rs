//! What tells the run which call of the text is made, in which run of a function, and in which
//! round of a loop: so that it knows what flowed where.

use super::{Emitter, names};
use crate::check::slices;
use crate::syntax::ast::{Closure, is_expr};
use crate::syntax::{Child, Node};

/// The number of the run of main.
pub(super) const MAIN: &str = "0";

impl Emitter<'_> {
    /// `, site, number` behind the arguments of a call or condition.
    pub(super) fn site(&mut self, node: &Node) {
        let site = self.slices.site(node.start, node.end);
        if let (Some(site), Some(frame)) = (site, self.frames.last().cloned()) {
            let site = slices::key(self.source, site);
            self.write(&format!(", {site}, {frame}"));
        }
    }

    /// `__end({ __begin(site, number); f(x) }, site, number)`, before the call; what stands behind
    /// it is returned.
    pub(super) fn begin(&mut self, site: u32) -> Option<String> {
        let site = slices::key(self.source, site);
        let frame = self.frames.last().cloned()?;
        self.write(&format!("{}({{ {}({site}, {frame}); ", names::END, names::BEGIN));
        Some(format!(" }}, {site}, {frame})"))
    }

    /// Writes the code of a function whose body in the slices begins at `start`.
    pub(super) fn in_body(&mut self, start: u32, code: impl FnOnce(&mut Self)) {
        let frames = std::mem::take(&mut self.frames);
        self.enter(start, None);
        code(self);
        self.frames = frames;
    }

    /// `let __f3 = __enter(body);`
    fn enter(&mut self, start: u32, outer: Option<&str>) {
        let Some(body) = self.slices.body_at(start) else { return };
        let (frame, key) = (names::frame(body), slices::key(self.source, body));
        let outer = outer.map(|it| format!(", {it}")).unwrap_or_default();
        self.write(&format!("let {frame} = {}({key}{outer}); ", names::ENTER));
        self.frames.push(frame);
    }

    /// `|x| { let __f3 = __enter(body, __f2); … }`
    pub(super) fn closure(&mut self, node: &Node) {
        let body = Closure(node).body().filter(|_| self.slices.body_at(node.start).is_some());
        let Some(body) = body else { return self.children(node, false) };
        for child in &node.children {
            match child {
                Child::Node(child) if child.start == body.start && child.end == body.end => {
                    let outer = self.frames.last().cloned();
                    let n_frames = self.frames.len();
                    self.write("{ ");
                    self.enter(node.start, outer.as_deref());
                    self.node(child);
                    self.write(" }");
                    self.frames.truncate(n_frames);
                }
                Child::Node(child) => self.node(child),
                Child::Token(token) => self.token(*token, node.kind),
            }
        }
    }

    /// `{ __mark(mark, number); … }`: a loop whose variable holds what a site gave.
    pub(super) fn round(&mut self, block: &Node) -> bool {
        let mark = self.slices.round_at(block.start);
        let (Some(mark), Some(frame)) = (mark, self.frames.last().cloned()) else {
            return false;
        };
        let mark = slices::key(self.source, mark);
        self.write(&format!("{{ {}({mark}, {frame}); ", names::MARK));
        self.inside(block);
        self.write(" }");
        true
    }

    /// `__mark(x, mark, number)`, once for each mark of an expression.
    pub(super) fn marked(&mut self, node: &Node) -> bool {
        let at = (node.start, node.end);
        if self.marking == Some(at) || self.is_read_again || !is_expr(node.kind) {
            return false;
        }
        let marks = self.slices.marks_of(node.start, node.end).to_vec();
        let Some(frame) = self.frames.last().cloned().filter(|_| !marks.is_empty()) else {
            return false;
        };
        for _ in &marks {
            self.write(names::MARK);
            self.write("(");
        }
        let outer = self.marking.replace(at);
        self.node(node);
        self.marking = outer;
        for mark in marks {
            self.write(&format!(", {}, {frame})", slices::key(self.source, mark)));
        }
        true
    }
}
