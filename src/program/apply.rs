//! A state and the program it is loaded into.

use crate::diag::{Code, Diagnostic, did_you_mean};
use crate::program::{PredictorState, SignatureHash, State};
use crate::schema::{Demo, Field, Signature};
use indexmap::IndexMap;

/// A state names a predictor that the program does not have.
pub(crate) const UNKNOWN_PREDICTOR: Code = Code("E0713");
/// The fields of a signature are not those that the state was made for.
pub(crate) const STRUCTURE_DIFFERS: Code = Code("E0714");
/// The words of a signature are not those that the state was made for.
pub(crate) const TEXT_DIFFERS: Code = Code("W0715");
/// A predictor has another template than its state was made with.
pub(crate) const TEMPLATE_DIFFERS: Code = Code("W0719");
/// A state speaks of a field that the signature does not have.
pub(crate) const UNKNOWN_FIELD: Code = Code("E0716");

/// A state that fits a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The state, its paths spelt as the program spells them.
    pub state: State,
    /// What the user should know.
    pub warnings: Vec<Diagnostic>,
}

impl PredictorState {
    /// The signature as this state changes it.
    #[must_use]
    pub fn apply(&self, signature: &Signature) -> Signature {
        let described = |fields: &[Field]| -> Vec<Field> {
            fields.iter().map(|field| self.described(field)).collect()
        };
        let mut changed = signature.clone();
        changed.inputs = described(&signature.inputs);
        changed.outputs = described(&signature.outputs);
        if let Some(instructions) = &self.instructions {
            changed.instructions = instructions.as_str().into();
        }
        changed
    }

    fn described(&self, field: &Field) -> Field {
        let mut field = field.clone();
        if let Some(description) = self.descriptions.get(&*field.name) {
            field.description = Some(description.as_str().into());
        }
        field
    }

    /// The demos alone, in order.
    pub fn plain_demos(&self) -> Vec<Demo> {
        self.demos.iter().map(|demo| demo.demo.clone()).collect()
    }
}

impl State {
    /// Notes for each predictor the signature that the program declares for it.
    pub fn stamp(&mut self, signatures: &IndexMap<String, Signature>) {
        for (path, predictor) in &mut self.predictors {
            if let Some(signature) = signatures.get(path) {
                predictor.signature = Some(SignatureHash::of(signature));
            }
        }
    }

    /// Checks the state against the signatures that a program declares, by path. Paths as
    /// DSPy spells them (`answer.predict`, `by['x']`) are understood.
    ///
    /// # Errors
    /// All that does not fit: unknown predictors and fields, changed signatures.
    pub fn fit(
        &self,
        signatures: &IndexMap<String, Signature>,
    ) -> Result<Fitted, Vec<Diagnostic>> {
        let mut fitted = Fitted {
            state: Self { predictors: IndexMap::new(), provenance: self.provenance.clone() },
            warnings: Vec::new(),
        };
        let mut errors = Vec::new();
        for (path, predictor) in &self.predictors {
            let Some(known) = resolve(path, signatures) else {
                errors.push(unknown_predictor(path, signatures));
                continue;
            };
            let twice = fitted.state.predictors.insert(known.to_owned(), predictor.clone());
            if twice.is_some() {
                let message = format!("the state speaks of predictor `{known}` twice");
                errors.push(Diagnostic::bare(UNKNOWN_PREDICTOR, message));
            }
            let (wrong, warned) = check(known, predictor, &signatures[known]);
            errors.extend(wrong);
            fitted.warnings.extend(warned);
        }
        if errors.is_empty() { Ok(fitted) } else { Err(errors) }
    }
}

/// What DSPy adds to a path where a predictor stands behind another: a chain of thought since 2.6,
/// in 2.5, and predictors with types up to then.
const BEHIND: [&str; 3] = ["predict", "_predict", "predictor"];
/// Where it puts a program that is tried several times.
const TRIED: &str = "module";

/// The program's spelling of a path; DSPy adds names where a predictor stands behind another, and
/// writes keys in single quotes.
pub(crate) fn resolve<'a>(
    path: &str,
    signatures: &'a IndexMap<String, Signature>,
) -> Option<&'a str> {
    let known = |path: &str| Some(signatures.get_key_value(path)?.0.as_str());
    let quoted = path.replace("['", "[\"").replace("']", "\"]");
    let steps: Vec<&str> = quoted.split('.').collect();
    let tried: Vec<&str> = steps.iter().copied().filter(|it| *it != TRIED).collect();
    let ways = [steps, tried];
    known(path).or_else(|| {
        ways.iter().find_map(|steps| {
            let inner = steps.split_last().filter(|(last, _)| BEHIND.contains(last));
            known(&steps.join(".")).or_else(|| match inner?.1 {
                [] => known("self"),
                outer => known(&outer.join(".")),
            })
        })
    })
}

pub(crate) fn unknown_predictor(
    path: &str,
    signatures: &IndexMap<String, Signature>,
) -> Diagnostic {
    let message = format!("the program has no predictor `{path}`");
    let known = signatures.keys().map(String::as_str);
    let outer = path.rsplit_once('.').filter(|(_, last)| BEHIND.contains(last));
    let wanted = outer.map_or(path, |(outer, _)| outer);
    Diagnostic::bare(UNKNOWN_PREDICTOR, message).hint(did_you_mean(wanted, known))
}

/// What is wrong, and what is worth a warning, with one predictor.
fn check(
    path: &str,
    predictor: &PredictorState,
    signature: &Signature,
) -> (Vec<Diagnostic>, Option<Diagnostic>) {
    let now = SignatureHash::of(signature);
    match &predictor.signature {
        Some(then) if then.structure != now.structure => {
            (vec![structure_differs(path, then, &now)], None)
        }
        Some(then) if then.text != now.text => {
            (unknown_fields(path, predictor, signature), Some(text_differs(path)))
        }
        Some(_) | None => (unknown_fields(path, predictor, signature), None),
    }
}

fn structure_differs(path: &str, then: &SignatureHash, now: &SignatureHash) -> Diagnostic {
    let message = format!("the state of `{path}` was made for another signature");
    Diagnostic::bare(STRUCTURE_DIFFERS, message)
        .note(format!("state:   {}", then.fields))
        .note(format!("program: {}", now.fields))
        .hint("compile the program again, or undo the change of its fields")
}

fn text_differs(path: &str) -> Diagnostic {
    let message = format!("the words of `{path}` changed since its state was made");
    Diagnostic::bare(TEXT_DIFFERS, message)
        .note("instructions, descriptions, defaults or the order of fields differ")
        .hint("compile again to optimize for the new words")
}

fn unknown_fields(
    path: &str,
    predictor: &PredictorState,
    signature: &Signature,
) -> Vec<Diagnostic> {
    let names = |fields: &[Field]| -> Vec<String> {
        fields.iter().map(|field| field.name.as_ref().to_owned()).collect()
    };
    let (inputs, outputs) = (names(&signature.inputs), names(&signature.outputs));
    let all = [inputs.clone(), outputs.clone()].concat();
    let mut wrong = Vec::new();
    let mut look = |place: String, kind: &str, name: &str, known: &[String]| {
        if !known.iter().any(|it| it == name) {
            let message = format!("{place}: `{path}` has no {kind} `{name}`");
            wrong.push(
                Diagnostic::bare(UNKNOWN_FIELD, message)
                    .hint(did_you_mean(name, known.iter().map(String::as_str))),
            );
        }
    };
    for name in predictor.descriptions.keys() {
        look("descriptions".to_owned(), "field", name, &all);
    }
    for (serial, demo) in predictor.demos.iter().enumerate() {
        let place = || format!("demo {}", serial + 1);
        demo.demo.inputs.keys().for_each(|name| look(place(), "input", name, &inputs));
        demo.demo.outputs.keys().for_each(|name| look(place(), "output", name, &outputs));
    }
    wrong
}
