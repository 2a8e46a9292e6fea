//! `bootstrap_finetune` as scripts see it: runs that scored well become a data set of conversations
//! and a manifest, which says of each where it came from.
//!
//! A line of a file is `{"messages": […]}`, as the fine-tuning of chat models takes it: the messages
//! that the adapter sends for a call, and the answer that it reads back.

use crate::eval::Remote;
use crate::eval::journal::Keep;
use crate::optimize::Compiled;
use crate::optimize::natives::{Given, Optimizer};
use crate::program::{SignatureHash, State, StateDemo, json};
use crate::runtime::{Args, Cx, Error, Object, Program, Val, codes};
use crate::schema::{Record, Value};
use crate::util::sha256_hex;
use indexmap::IndexMap;
use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The file that says where all came from.
const MANIFEST: &str = "manifest.json";
/// What the manifest calls itself.
const FORMAT: &str = "dsp-lang fine-tuning data";
/// Its version.
const VERSION: i64 = 1;

/// What is to become of the runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::optimize) struct Wish {
    /// The folder for the files, as the script says it.
    pub(in crate::optimize) to: String,
    /// Whether all predictors share one file.
    pub(in crate::optimize) multitask: bool,
    /// Whether prompts are written without the demos of the state.
    pub(in crate::optimize) exclude_demos: bool,
    /// Whether files that are there are replaced.
    pub(in crate::optimize) overwrite: bool,
}

impl Wish {
    fn told(&self) -> [(&'static str, Value); 2] {
        [
            ("multitask", Value::Bool(self.multitask)),
            ("exclude_demos", Value::Bool(self.exclude_demos)),
        ]
    }
}

/// An optimizer that writes what a model can be trained on.
pub(in crate::optimize) struct Finetune {
    pub(in crate::optimize) collects: Optimizer,
    pub(in crate::optimize) wish: Wish,
}

impl fmt::Debug for Finetune {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.collects.fmt(f)
    }
}

impl Object for Finetune {
    fn type_name(&self) -> &'static str {
        "optimizer"
    }

    fn method(&self, cx: &Cx<'_>, name: &str, args: Args) -> Option<Result<Val, Error>> {
        match name {
            "compile" => Some(self.compile(cx, args)),
            other => self.collects.method(cx, other, args),
        }
    }

    fn show(&self) -> String {
        self.collects.show()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A conversation to learn from.
struct Lesson<'a> {
    path: &'a str,
    call: &'a StateDemo,
    line: String,
}

impl Finetune {
    fn compile(&self, cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
        let given = Given::take(args)?;
        let program = given.program.clone();
        let compiled = self.found(cx, given, None, None)?;
        Ok(program.with_state(&Arc::new(compiled.state)).value().clone())
    }

    /// Collects, writes, and gives the program that a trained model is for.
    pub(in crate::optimize) fn found(
        &self,
        cx: &Cx<'_>,
        given: Given,
        keep: Option<&Keep>,
        remote: Option<&Arc<dyn Remote>>,
    ) -> Result<Compiled, Error> {
        let program = given.program.clone();
        if given.testset.is_some() {
            let message =
                "before a model is trained there is nothing to compare on a `testset`";
            return Err(Error::value(message)
                .hint("measure the trained one: `compare(before, after, test, metric: …)`"));
        }
        // What could not be written is not paid for.
        self.check_free(cx, MANIFEST)?;
        let mut compiled = self.collects.found(cx, given, keep, remote)?;
        let student = self.student(&program, &compiled);
        let asked = program.with_state(&Arc::new(student.clone()));
        let lessons = lessons(cx, &asked, &compiled.state)?;
        if lessons.is_empty() {
            let message = "no run scored well enough: there is nothing to learn from";
            let hint = "lower `threshold:`, raise `max_rounds:`, or give a stronger `teacher:`";
            return Err(Error::value(message).hint(hint));
        }
        self.write(cx, &asked, &compiled, &student, &lessons)?;
        drop(lessons);
        compiled.state = student;
        Ok(compiled)
    }

    /// The state that the program goes on with: as it was, without demos where none are wanted.
    fn student(&self, program: &Program, compiled: &Compiled) -> State {
        let mut student = program.state();
        for (path, collected) in &compiled.state.predictors {
            let own = student.entry(path);
            own.signature.clone_from(&collected.signature);
            own.adapter.clone_from(&collected.adapter);
            own.template.clone_from(&collected.template);
            if self.wish.exclude_demos {
                own.demos.clear();
                own.nearest = None;
            }
        }
        student.provenance = compiled.state.provenance.clone().map(|mut made| {
            made.options.extend(self.wish.told().map(|(name, it)| (name.to_owned(), it)));
            made
        });
        student
    }

    fn write(
        &self,
        cx: &Cx<'_>,
        asked: &Program,
        compiled: &Compiled,
        student: &State,
        lessons: &[Lesson<'_>],
    ) -> Result<(), Error> {
        let mut files: IndexMap<String, Vec<&Lesson<'_>>> = IndexMap::new();
        for lesson in lessons {
            let name =
                if self.wish.multitask { "all.jsonl".to_owned() } else { file_of(lesson.path) };
            files.entry(name).or_default().push(lesson);
        }
        files.keys().try_for_each(|name| self.check_free(cx, name))?;
        let mut told = Vec::new();
        for (name, lessons) in &files {
            let text: String = lessons.iter().map(|it| format!("{}\n", it.line)).collect();
            self.put(cx, name, &text)?;
            told.push(file_value(name, &text, lessons));
        }
        let manifest = manifest(asked, compiled, student, told);
        self.put(cx, MANIFEST, &json::write(&manifest))
    }

    /// Refuses to replace a file that nobody said could go.
    fn check_free(&self, cx: &Cx<'_>, name: &str) -> Result<(), Error> {
        let at = cx.resolve(&self.wish.to).join(name);
        if self.wish.overwrite || !cx.run().env().host.exists(&at) {
            return Ok(());
        }
        let message = format!("`{}` is there already", at.display());
        Err(Error::data(codes::FILE, message).hint(
            "name another folder, `to: \"…\"`, or replace what is there: `overwrite: true`",
        ))
    }

    fn put(&self, cx: &Cx<'_>, name: &str, text: &str) -> Result<(), Error> {
        let at = cx.resolve(&self.wish.to).join(name);
        cx.run().env().host.write(Path::new(&at), text.as_bytes()).map_err(|error| {
            Error::data(codes::FILE, format!("cannot write `{}`: {error}", at.display()))
        })
    }
}

/// The conversations of all calls that were kept, in the order of their rows; each once.
fn lessons<'a>(
    cx: &Cx<'_>,
    asked: &Program,
    collected: &'a State,
) -> Result<Vec<Lesson<'a>>, Error> {
    let mut all = Vec::new();
    for (path, own) in &collected.predictors {
        let Some(predictor) = asked.predictor(path).filter(|_| !own.demos.is_empty()) else {
            continue;
        };
        for call in &own.demos {
            let messages = predictor.lesson(cx, &call.demo)?;
            let message = |it: &crate::lm::Message| {
                record([
                    ("role", it.role.as_str().into()),
                    ("content", it.text.as_str().into()),
                ])
            };
            let line = record([("messages", Value::list(messages.iter().map(message)))]);
            all.push(Lesson { path, call, line: line.to_json() });
        }
    }
    // Stable: calls of one run stay in their order.
    all.sort_by_key(|it| it.call.origin.as_ref().map(|it| it.row));
    let mut seen = BTreeSet::new();
    all.retain(|it| seen.insert(it.line.clone()));
    Ok(all)
}

/// The name of the file of a predictor: its path, with letters that file systems take.
fn file_of(path: &str) -> String {
    let safe = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_' | '.');
    let name: String = path.chars().map(|it| if safe(it) { it } else { '_' }).collect();
    if name == path {
        return format!("{name}.jsonl");
    }
    // Paths that differ in other signs alone have files of their own.
    format!("{name}-{}.jsonl", &sha256_hex(path.as_bytes())[..6])
}

fn record<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::map(fields.into_iter().map(|(name, it)| (name.into(), it)).collect::<Record>())
}

fn count(it: usize) -> Value {
    Value::Int(i64::try_from(it).unwrap_or(i64::MAX))
}

fn file_value(name: &str, text: &str, lessons: &[&Lesson<'_>]) -> Value {
    let source = |it: &&Lesson<'_>| {
        let origin = it.call.origin.as_ref();
        let hash = |it: Option<&String>| it.map_or(Value::Null, |it| it.as_str().into());
        record([
            ("predictor", it.path.into()),
            ("row", origin.map_or(Value::Null, |it| count(it.row))),
            ("row_hash", hash(origin.map(|it| &it.row_hash))),
            ("reply_hash", hash(origin.and_then(|it| it.reply_hash.as_ref()))),
            ("sample", origin.map_or(Value::Null, |it| Value::Int(it.rollout as i64))),
            ("score", origin.and_then(|it| it.score).map_or(Value::Null, Value::Float)),
        ])
    };
    record([
        ("file", name.into()),
        ("sha256", sha256_hex(text.as_bytes()).as_str().into()),
        ("conversations", count(lessons.len())),
        ("sources", Value::list(lessons.iter().map(source))),
    ])
}

/// What the files were made of, by whom, and for what.
fn manifest(asked: &Program, compiled: &Compiled, student: &State, files: Vec<Value>) -> Value {
    let made = student.provenance.clone().unwrap_or_default();
    let predictors = asked.trainable();
    let predictors = predictors.iter().map(|(path, signature)| {
        let hash = SignatureHash::of(signature);
        let told = record([
            ("fields", hash.fields.as_str().into()),
            ("structure", hash.structure.as_str().into()),
            ("text", hash.text.as_str().into()),
        ]);
        (path.as_str().into(), told)
    });
    let data = made.data.iter().map(|it| {
        record([
            ("role", it.role.as_str().into()),
            ("rows", count(it.rows)),
            ("hash", it.hash.as_str().into()),
        ])
    });
    let options = made.options.iter().map(|(name, it)| (name.as_str().into(), it.clone()));
    let text = |it: Option<&String>| it.map_or(Value::Null, |it| it.as_str().into());
    let rows: BTreeSet<usize> = (compiled.state.predictors.values())
        .flat_map(|it| &it.demos)
        .filter_map(|it| Some(it.origin.as_ref()?.row))
        .collect();
    record([
        ("format", FORMAT.into()),
        ("version", Value::Int(VERSION)),
        ("optimizer", made.optimizer.as_str().into()),
        ("options", Value::map(options.collect())),
        ("seed", made.seed.to_string().parse().map_or(Value::Null, Value::Int)),
        ("model", text(made.lm.as_ref())),
        ("teacher", text(made.story.teacher.as_ref())),
        ("state", student.hash().as_str().into()),
        ("predictors", Value::map(predictors.collect())),
        ("data", Value::list(data)),
        ("rows_kept", count(rows.len())),
        ("calls", count(usize::try_from(made.calls).unwrap_or(usize::MAX))),
        ("files", Value::list(files)),
    ])
}

#[cfg(test)]
mod tests {
    use super::file_of;

    #[test]
    fn files_have_names_of_their_own() {
        assert_eq!(file_of("answer"), "answer.jsonl");
        assert_eq!(file_of("inner.answer"), "inner.answer.jsonl");
        let [one, other] = ["by[\"x\"]", "by['x']"].map(file_of);
        assert!(one.starts_with("by__x__-") && other.starts_with("by__x__-"));
        assert_ne!(one, other);
        assert!(!file_of("../a/b").contains('/'));
    }
}
