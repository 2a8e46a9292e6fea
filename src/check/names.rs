//! The names of the generated text, which the runtime binds.

use crate::source::SourceId;

/// `__signature("N")`: a signature item as a value.
pub const SIGNATURE: &str = "__signature";
/// `__inline(SOURCE, OFFSET)`: a signature without a name.
pub const INLINE: &str = "__inline";
/// `__class("N")`: a module as a value.
pub const CLASS: &str = "__class";
/// `__const("N")`: the value of a const.
pub const CONST: &str = "__const";
/// `__native("name")`: a native as a value.
pub const NATIVE: &str = "__native";
/// `__enter(body)`: a function begins; gives the number of this run of it. A second argument is
/// the number of the run of the function that a closure stands in.
pub const ENTER: &str = "__enter";
/// `__mark(x, mark, number)`: a value of which the run notes where it came from; without a value
/// where a round of a loop begins.
pub const MARK: &str = "__mark";
/// `__begin(site, number)`: a function of the program's is called next.
pub const BEGIN: &str = "__begin";
/// `__end(x, site, number)`: what that call gave.
pub const END: &str = "__end";
/// `__call(callee, [positional], #{named})`: a call of a value. Two more arguments are the
/// site, and the number of the run of the function that it stands in.
pub const CALL: &str = "__call";
/// `__method(receiver, "m", [positional], #{named})`: a call of a method or member; a fifth
/// argument names the function that is called in place of a method, and two more are as for
/// [`CALL`].
pub const METHOD: &str = "__method";
/// As [`METHOD`], for `?.`: nothing where the receiver is nothing.
pub const METHOD_OPT: &str = "__method_opt";
/// `__prelude(receiver, "m", "function", [positional], #{named})`: a call of a method or member,
/// or of a function of the prelude whose first argument the receiver is.
pub const PRELUDE: &str = "__prelude";
/// As [`PRELUDE`], for `?.`.
pub const PRELUDE_OPT: &str = "__prelude_opt";
/// `__member(instance, "k")`: a member of a module's instance.
pub const MEMBER: &str = "__member";
/// `__instance("N", [["k", k], …])`: makes an instance of parameters and members in order.
pub const INSTANCE: &str = "__instance";
/// `__absent()`: an argument that is left out.
pub const ABSENT: &str = "__absent";
/// `__is_absent(x)`: whether an argument was left out.
pub const IS_ABSENT: &str = "__is_absent";
/// `__caught(e)`: what `catch` binds: errors of Rhai's own as errors like ours.
pub const CAUGHT: &str = "__caught";
/// `__condition(x)`: a value that must be true or false.
pub const CONDITION: &str = "__condition";
/// `__type_of(x)`: what kind of value it is.
pub const TYPE_OF: &str = "__type_of";
/// `__slice(x, range)`: the part of a list, text or data set; bits of an integer.
pub const SLICE: &str = "__slice";
/// As [`SLICE`], for `?[`.
pub const SLICE_OPT: &str = "__slice_opt";
/// `__spread(#{named}, row)`: named arguments and those of a map or row.
pub const SPREAD: &str = "__spread";
/// `__assert("assert" | "suggest", "source", [["path", value], …], message, retry)`: a
/// condition that is false. A pair whose path is empty is not to be shown: its value is there
/// for finding the call to blame. Two more arguments are as for [`CALL`].
pub const ASSERT: &str = "__assert";

/// The variable that holds the number of the run of a function.
pub fn frame(body: u32) -> String {
    format!("__f{body}")
}

/// The name of an item of an imported unit, whose prefix no other unit has.
pub fn scoped(prefix: &str, name: &str) -> String {
    format!("{prefix}{name}")
}

/// The prefix of the unit that was imported as the `index`th of a program.
pub fn prefix(index: usize) -> String {
    format!("{UNIT}{index}_")
}

/// The prefix and the rest of the name of an item of an imported unit.
pub fn split(key: &str) -> Option<(&str, &str)> {
    let rest = key.strip_prefix(UNIT)?;
    let digits = rest.find(|it: char| !it.is_ascii_digit()).filter(|it| *it > 0)?;
    rest[digits..].starts_with('_').then(|| key.split_at(UNIT.len() + digits + 1))
}

/// What the prefixes of units begin with.
const UNIT: &str = "__u";

/// The function of a native: `__n_predict([positional], #{named})`.
pub fn native(name: &str) -> String {
    format!("__n_{name}")
}

/// The function that makes an instance of a module.
pub fn constructor(module: &str) -> String {
    format!("{module}__new")
}

/// The function of a method.
pub fn method(module: &str, method: &str) -> String {
    format!("{module}__m_{method}")
}

/// The function that computes a const.
pub fn constant(name: &str) -> String {
    format!("__const_{name}")
}

/// The function of the test at `index`.
pub fn test(index: usize) -> String {
    format!("__test_{index}")
}

/// The function of a signature's contracts; its argument is a map of inputs and outputs.
pub fn contracts(signature: &str) -> String {
    format!("__contracts_{signature}")
}

/// The function of the contracts of a signature without a name.
pub fn inline_contracts(source: SourceId, offset: u32) -> String {
    format!("__contracts_inline_{}_{offset}", source.0)
}

/// The name of a variable, parameter or function of the user's in the generated text: another
/// one where Rhai refuses the word, or wants a letter in front (`_`, `_1`).
pub fn variable(name: &str) -> String {
    let letter = name.trim_start_matches('_').starts_with(|it: char| it.is_ascii_alphabetic());
    if !letter || split(name).is_some() {
        format!("v{name}")
    } else if crate::catalog::is_reserved(name) {
        format!("{name}_")
    } else {
        name.to_owned()
    }
}
