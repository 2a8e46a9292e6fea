//! Signatures and fields in strings: `question, context: list[str] -> answer: str`, with the
//! types of the language and DSPy's spelling of them.

use super::choices::{Chosen, Input, among};
use super::history::misplaced;
use super::shape::found;
use super::types::{Place, TypeScope, Types};
use super::{codes, fits, literal};
use crate::diag::Diagnostic;
use crate::schema::{Field, Signature, Ty};
use crate::source::Span;
use crate::syntax::ast::{self, FieldDecl};
use crate::syntax::{Parse, parse_field, parse_signature};

/// Reads a signature that stands at `place`.
pub(crate) fn read(
    text: &str,
    scope: &TypeScope,
    place: Place,
    consts: &dyn Fn(&str) -> Chosen,
) -> (Signature, Vec<Diagnostic>) {
    let parsed = parse_signature(place.span, text);
    let (inputs, outputs) = ast::sides(&parsed.tree);
    let known = inputs.iter().filter_map(|it| Input::declared(*it, text)).collect();
    let mut reader = Reader::new(text, scope, place, known, consts);
    let mut signature = Signature {
        name: "".into(),
        instructions: "".into(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        types: scope.table.clone(),
        contracts: 0,
    };
    for decl in inputs {
        reader.push(decl, false, &mut signature);
    }
    for decl in outputs {
        reader.push(decl, true, &mut signature);
    }
    (signature, reader.finish(parsed))
}

/// Reads one field, such as `out confidence: float(0..=1) 'how sure'`, and says whether it is
/// an output; without `in` or `out` it is.
pub(crate) fn read_field(
    text: &str,
    signature: &Signature,
    scope: &TypeScope,
    place: Place,
    consts: &dyn Fn(&str) -> Chosen,
) -> (Option<(bool, Field)>, Vec<Diagnostic>) {
    let parsed = parse_field(place.span, text);
    let known = signature.inputs.iter().map(Input::of).collect();
    let mut reader = Reader::new(text, scope, place, known, consts);
    let field = parsed.tree.nodes().find_map(FieldDecl::cast).and_then(|decl| {
        let output = decl.direction().is_none() || decl.is_output(text);
        let field = reader.field(decl)?;
        let span = decl.name().map_or(place.span, |it| place.token(it));
        let side = if output { &signature.outputs } else { &signature.inputs };
        reader.diags.extend(misplaced(&field, output, side, &scope.table, span));
        Some((output, field))
    });
    (field, reader.finish(parsed))
}

struct Reader<'a> {
    text: &'a str,
    scope: &'a TypeScope,
    place: Place,
    inputs: Vec<Input>,
    consts: &'a dyn Fn(&str) -> Chosen,
    diags: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    fn new(
        text: &'a str,
        scope: &'a TypeScope,
        place: Place,
        inputs: Vec<Input>,
        consts: &'a dyn Fn(&str) -> Chosen,
    ) -> Self {
        Self { text, scope, place, inputs, consts, diags: Vec::new() }
    }

    /// What is wrong: with the form, else with the meaning.
    fn finish(self, parsed: Parse) -> Vec<Diagnostic> {
        if parsed.diags.is_empty() {
            return self.diags;
        }
        let place = self.place;
        let moved = |mut diag: Diagnostic| {
            if let Some(primary) = diag.primary.as_mut().filter(|_| !place.exact) {
                primary.span = place.span;
            }
            diag
        };
        parsed.diags.into_iter().map(moved).collect()
    }

    fn field(&mut self, decl: FieldDecl<'_>) -> Option<Field> {
        let name = decl.name()?.text(self.text);
        let chosen =
            |name: &str| among(&self.inputs, name).unwrap_or_else(|| (self.consts)(name));
        let mut types = Types::new(self.text, self.place, self.scope, &chosen).python();
        let ty = decl.ty().map_or(Ty::Str, |it| types.node(it));
        let diags = types.diags;
        self.diags.extend(diags);
        let description =
            decl.description().and_then(|it| ast::prose(it, self.text)).map(Into::into);
        let default = decl.default().and_then(|it| literal::constant(it, self.text));
        if let (Some(value), Some(node)) = (&default, decl.default())
            && !fits::fits(value, &ty, &self.scope.table)
        {
            let message =
                format!("the default is {}, the field {}", found(value), fits::show(&ty));
            self.tell(codes::BAD_DEFAULT, self.place.node(node), message);
        }
        Some(Field { name: name.into(), ty, description, default })
    }

    fn push(&mut self, decl: FieldDecl<'_>, output: bool, signature: &mut Signature) {
        let Some(field) = self.field(decl) else { return };
        let span = decl.name().map_or(self.place.span, |it| self.place.token(it));
        let name = &field.name;
        if output && signature.input(name).is_some() {
            let message = format!("`{name}` is both an input and an output");
            self.tell(codes::FIELD_BOTH_WAYS, span, message);
            return;
        }
        let side = if output { &mut signature.outputs } else { &mut signature.inputs };
        let types = &self.scope.table;
        self.diags.extend(misplaced(&field, output, side, types, span));
        if side.iter().any(|it| it.name == field.name) {
            let message = format!("the signature has two fields `{name}`");
            self.tell(codes::DUPLICATE_FIELD, span, message);
            return;
        }
        side.push(field);
    }

    fn tell(&mut self, code: crate::diag::Code, span: Span, message: String) {
        self.diags.push(Diagnostic::new(code, span, message));
    }
}
