//! The model that answers from a script.

use dsp_lang::lm::{
    Address, CallContext, Cancel, Completion, Error, ErrorKind, Lm, Prompt, Request, Scripted,
    block_on,
};

fn request(text: &str) -> Request {
    Request::new(Prompt::Text(text.to_owned()))
}

fn call(lm: &Scripted, address: Address) -> Result<Completion, Error> {
    let context = CallContext { address, ..CallContext::default() };
    block_on(lm.complete(&request("two words"), &context))
}

fn text(lm: &Scripted, path: &str, example: Option<usize>, ordinal: usize) -> String {
    call(lm, at(path, example, ordinal)).unwrap_or_else(|e| panic!("{e}")).text
}

fn at(path: &str, example: Option<usize>, ordinal: usize) -> Address {
    Address { path: path.to_owned(), example, ordinal, branch: String::new() }
}

#[test]
fn a_list_answers_in_order() {
    let lm = Scripted::new(["one", "two"]);
    assert!(!lm.capabilities().cacheable);
    assert_eq!(text(&lm, "a", None, 0), "one");
    assert_eq!(lm.remaining(), 1);
    assert_eq!(text(&lm, "b", None, 0), "two");
    let e = call(&lm, at("steps[0]", Some(4), 2)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Scripted);
    assert_eq!(
        e.to_string(),
        "`scripted`: call 3 (by `steps[0]` on example 4) has no reply: the script holds 2"
    );
    assert_eq!(lm.remaining(), 0);
}

#[test]
fn replies_are_found_by_their_address() {
    let lm = Scripted::addressed([
        ("answer", vec!["a0", "a1"]),
        ("answer#3", vec!["only here"]),
        ("judge", vec!["yes"]),
    ]);
    assert_eq!(lm.remaining(), 4);
    assert_eq!(text(&lm, "answer", None, 1), "a1");
    assert_eq!(text(&lm, "answer", Some(0), 0), "a0");
    assert_eq!(text(&lm, "answer", Some(1), 0), "a0");
    assert_eq!(text(&lm, "answer", Some(3), 0), "only here");
    assert_eq!(lm.remaining(), 1, "the judge's");
    let e = call(&lm, at("answer", Some(3), 1)).unwrap_err();
    assert_eq!(e.message(), "call 2 by `answer#3` has no reply: the script holds 1");
    let e = call(&lm, at("anwser", None, 0)).unwrap_err();
    assert_eq!(e.message(), "there is no reply for `anwser`");
    assert_eq!(e.hint_text(), Some("did you mean `answer`?"));
}

#[test]
fn scripts_are_told_apart() {
    let identity = |reply: &str| Scripted::addressed([("a", vec![reply])]).identity();
    assert_eq!(identity("x"), identity("x"));
    assert_ne!(identity("x"), identity("y"));
    assert_ne!(Scripted::new(["x"]).identity(), identity("x"));
    let named = Scripted::new(["x"]).named("strong");
    assert_eq!(named.name(), "strong");
    assert_ne!(named.identity(), Scripted::new(["x"]).identity());
}

#[test]
fn a_function_answers_and_words_are_counted() {
    let lm = Scripted::by(|request, context| {
        format!("{:?} {}", request.prompt, context.address.ordinal)
    });
    let reply = call(&lm, at("a", None, 7)).map(|it| (it.text, it.usage.prompt_tokens));
    assert_eq!(reply.ok(), Some(("Text(\"two words\") 7".to_owned(), None)));
    let counting = Scripted::new(["a b c"]).counting_words();
    let usage = call(&counting, Address::default()).map(|it| it.usage);
    let counts = usage.ok().map(|it| (it.prompt_tokens, it.completion_tokens));
    assert_eq!(counts, Some((Some(2), Some(3))));
    let failing = Scripted::try_by(|_, _| Err(Error::new(ErrorKind::Server, "s", "down")));
    assert!(call(&failing, Address::default()).is_err_and(|e| e.is_retryable()));
}

#[test]
fn a_run_that_is_over_gets_no_reply() {
    let lm = Scripted::new(["one"]);
    let cancel = Cancel::default();
    cancel.cancel();
    let context = CallContext { cancel, ..CallContext::default() };
    let outcome = block_on(lm.complete(&request("x"), &context));
    assert!(outcome.is_err_and(|e| e.kind() == ErrorKind::Cancelled));
    assert_eq!(lm.remaining(), 1);
}
