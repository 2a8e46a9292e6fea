//! What natives give that ask programs or judge them: several attempts, several calls at once,
//! evaluations.

use super::Checker;
use super::args::{Argument, arguments};
use super::options::row_of;
use super::value::{Known, Parts, Scored};
use crate::catalog::Native;
use crate::schema::Ty;
use crate::syntax::ast::{Call, is_range};
use crate::syntax::{Node, NodeKind};
use std::sync::Arc;

impl<'a> Checker<'a> {
    /// What a call of such a native gives; `None` for the other natives.
    pub(super) fn infer_asking(&mut self, native: &Native, call: Call<'_>) -> Option<Known> {
        let args = arguments(call.args());
        let mut argument = |name: &str, index: usize| {
            self.among(&args, name, index).map_or(Known::Nothing, |it| self.infer(it))
        };
        Some(match native.name {
            "best_of" | "refine" => asking(&argument("program", 0)),
            "majority" => chosen(&argument("of", 0)),
            "ensemble" if args.len() == 1 => asking(&argument("programs", 0).item()),
            "completions" => match argument("reply", 0) {
                it @ (Known::Reply(_) | Known::Answer(_)) => Known::List(Arc::new(it)),
                _ => Known::of_catalog(native.result),
            },
            "parallel" => {
                let calls = argument("calls", 0);
                self.all_called(&calls)
            }
            "parallel_map" => {
                let function = self.among(&args, "f", 1);
                self.mapped(function)
            }
            "evaluate" => {
                let (program, data) = (argument("program", 0), argument("data", 1));
                self.scored("Evaluation", &program, &data)
            }
            "compare" => {
                let programs = argument("a", 0).or(argument("b", 1));
                let data = argument("data", 2);
                self.scored("Comparison", &programs, &data)
            }
            _ => return None,
        })
    }

    /// What came of scoring programs, or of comparing evaluations.
    fn scored(&self, object: &'static str, programs: &Known, data: &Known) -> Known {
        Known::Scored(Arc::new(match programs {
            Known::Scored(it) => Scored { object, ..(**it).clone() },
            _ => Scored { object, row: row_of(data), reply: self.reply_of(programs) },
        }))
    }

    /// The results of closures, where the closures stood.
    fn all_called(&self, calls: &Known) -> Known {
        match calls {
            Known::Map(parts) => {
                let each = parts.iter().map(|(name, it)| (name.clone(), self.result_of(it)));
                Known::Map(Arc::new(each.collect::<Parts>()))
            }
            Known::List(item) => Known::List(Arc::new(self.result_of(item))),
            _ => Known::Nothing,
        }
    }

    /// The list of what a function or program gives for each item.
    pub(super) fn mapped(&mut self, function: Option<&Node>) -> Known {
        let given = function.map_or(Known::Nothing, |it| self.function_result(it));
        Known::List(Arc::new(given))
    }

    /// What the function or program gives that stands as a value.
    pub(super) fn function_result(&mut self, node: &Node) -> Known {
        if let Some(key) = self.function_at(node) {
            return self.flow.result(key);
        }
        if node.kind == NodeKind::Path
            && let Some(info) = self.imported_function(node)
        {
            return self.gives(&info);
        }
        let known = self.infer(node);
        self.result_of(&known)
    }

    /// Takes down the function that `parallel_map` calls.
    pub(super) fn placed_in_map(&mut self, args: &[Argument<'a>]) {
        let Some(function) = self.among(args, "f", 1) else { return };
        let item = match self.among(args, "items", 0) {
            Some(it) if is_range(it, self.text) => Known::basic(Ty::Int),
            Some(it) => self.infer(it).item(),
            None => Known::Nothing,
        };
        self.called_with(function, vec![item]);
    }
}

/// A program that asks one of these; nothing where they may be something else.
fn asking(programs: &Known) -> Known {
    let program =
        |it: &Known| matches!(it, Known::Predictor(_) | Known::Instance(_) | Known::Program(_));
    match programs.all() {
        [] => Known::Nothing,
        all if all.iter().all(program) => Known::Program(Arc::new(programs.clone())),
        _ => Known::Nothing,
    }
}

/// What `majority` makes of a program, or of replies.
fn chosen(of: &Known) -> Known {
    match of {
        Known::Reply(_) | Known::Answer(_) => of.clone(),
        Known::List(item) => match &**item {
            it @ (Known::Reply(_) | Known::Answer(_)) => it.clone(),
            _ => Known::Nothing,
        },
        _ => asking(of),
    }
}
