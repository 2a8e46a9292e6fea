use super::*;
use crate::eval::{Failure, FailureKind, Step};

fn row(index: usize, text: &str) -> Example {
    let values = Record::from_iter([(Arc::from("text"), Value::from(text))]);
    let row = Arc::new(Row { values, index, folder: None });
    Example { hash: row_hash(&row), row }
}

fn answer(text: &str, cut: bool) -> Outcome {
    let reply = Record::from_iter([(Arc::from("proposed_instruction"), Value::from(text))]);
    let step = Step { reply_hash: Some("abc".to_owned()), cut, ..Step::default() };
    Outcome { reply, steps: vec![step], ..Outcome::default() }
}

const LONG: &str = "the quick brown fox jumps over the lazy dog while seven grey cats look on \
                    from the old stone wall";

#[test]
fn every_question_has_a_signature() {
    let all = [
        Question::FirstInstructions,
        Question::BetterInstructions,
        Question::Rules,
        Question::Advice,
    ];
    for question in all {
        let signature = question.signature();
        assert!(!signature.instructions.is_empty(), "{question:?}");
        assert!(!signature.outputs.is_empty(), "{question:?}");
    }
    assert_eq!(signatures().len(), all.len());
}

#[test]
fn what_is_taken() {
    let judge = Judge::new(&[row(7, LONG)], 100);
    let said = |text: &str| judge.text(Some(&answer(text, false)), "proposed_instruction", "");
    assert_eq!(said("Be brief.").unwrap().text, "Be brief.");
    assert_eq!(said("Be brief.").unwrap().reply_hash.as_deref(), Some("abc"));
    assert_eq!(said("  \n "), Err(Refusal::Empty));
    assert_eq!(said(&"x".repeat(101)), Err(Refusal::TooLong(101, 100)));
    let cut = judge.text(Some(&answer("Be brief.", true)), "proposed_instruction", "");
    assert_eq!(cut, Err(Refusal::Truncated));
    assert_eq!(judge.text(Some(&answer("Be", false)), "rules", ""), Err(Refusal::Empty));
    let failure = Failure::new(FailureKind::Infrastructure, "no model");
    let failed = judge.text(Some(&Outcome::failed(failure)), "proposed_instruction", "");
    assert_eq!(failed, Err(Refusal::Failed("no model".to_owned())));
}

#[test]
fn rows_of_the_training_data_are_no_instructions() {
    let judge = Judge::new(&[row(3, "short"), row(7, LONG)], 1000);
    let copy = format!("For one: {}", LONG.to_uppercase().replace(' ', ", "));
    assert_eq!(judge.passes(&copy, ""), Err(Refusal::Copied(7)));
    // A quotation is none, nor is what the user wrote.
    assert_eq!(judge.passes("Such as \"the quick brown fox jumps over\".", ""), Ok(()));
    assert_eq!(judge.passes("short", ""), Ok(()));
    assert_eq!(judge.passes(LONG, LONG), Ok(()));
}

#[test]
fn what_models_write_around_a_text() {
    let cases = [
        ("Be brief.", "Be brief."),
        ("\"Be brief.\"", "Be brief."),
        ("```\nBe brief.\n```", "Be brief."),
        ("```text\nBe brief.\n```", "Be brief."),
        ("Proposed Instruction: Be brief.", "Be brief."),
        ("**Instructions:** Be brief.", "** Be brief."),
        ("Answer with one of: a, b.", "Answer with one of: a, b."),
        ("Say \"yes\" or \"no\"", "Say \"yes\" or \"no\""),
        ("\"yes\" or \"no\"", "\"yes\" or \"no\""),
        ("Instructions:", "Instructions:"),
    ];
    for (said, meant) in cases {
        assert_eq!(clean(said), meant, "{said}");
    }
}
