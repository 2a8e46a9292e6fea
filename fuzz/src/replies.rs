//! Replies of models.

use dsp_lang::adapt::{Adapter, read_partial, read_value};
use dsp_lang::check::signature_from_str;
use dsp_lang::schema::{Signature, Template, Ty, TypeTable, convert_fields};
use std::sync::{Arc, LazyLock};

/// Signatures of all types of outputs.
const TEXTS: [&str; 8] = [
    "question -> answer",
    "question -> topic: 'billing' | 'other thing', urgent: bool",
    "text -> count: int, share: float(0..=1), note: str?",
    "text -> reasoning, answer: str(..=20)",
    "text -> tags: list[str], more: list[int](1..=3)?",
    "text -> people: list[{ name: str, role: str?, age: int? }]",
    "text -> scores: dict[str, float], either: int | str | list[bool]",
    "text -> value: any",
];

static SIGNATURES: LazyLock<Vec<(Signature, Vec<Adapter>)>> = LazyLock::new(|| {
    let types = Arc::new(TypeTable::new());
    let read = |text: &&str| signature_from_str(text, &types, &|_| false);
    let read = |it| read(it).unwrap_or_else(|wrong| panic!("{it}: {wrong:?}"));
    TEXTS.iter().map(read).map(|it| (it.clone(), adapters(&it))).collect()
});

/// All layouts, and a template of the signature's outputs.
fn adapters(signature: &Signature) -> Vec<Adapter> {
    let outputs = signature.outputs.iter().map(|it| format!("{0}: {{{0}}}\n", it.name));
    let reply = outputs.collect::<String>();
    let template = Template::read([("reply", &*reply)]).expect("labels stand between outputs");
    let own = [Adapter::Template(Arc::new(template))];
    Adapter::ALL.into_iter().chain(own).collect()
}

/// What is read of a reply are values of the outputs' types.
pub(crate) fn reply(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for (signature, adapters) in SIGNATURES.iter() {
        for adapter in adapters {
            let Ok(parsed) = adapter.parse(signature, text) else { continue };
            let values = convert_fields(&parsed.values, &signature.outputs, &signature.types);
            assert_eq!(values.as_ref(), Ok(&parsed.values), "{signature:?}");
        }
    }
    let _ = read_value(text, &Ty::Any, &TypeTable::new());
    // A beginning never fails, wherever the text is cut; a few places stand for all.
    let step = text.len() / 8 + 1;
    for (cut, _) in text.char_indices().step_by(step).chain([(text.len(), ' ')]) {
        let begun = &text[..cut];
        for (signature, adapters) in SIGNATURES.iter() {
            for adapter in adapters {
                let partial = adapter.parse_partial(signature, begun);
                assert!(partial.complete.iter().all(|it| partial.values.contains_key(it)));
            }
        }
        let _ = read_partial(begun, &Ty::Any, &TypeTable::new());
    }
}
