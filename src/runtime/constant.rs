//! Consts: computed at most once a session, at first use.

use crate::runtime::cx::Cx;
use crate::runtime::error::Error;
use crate::runtime::value::Val;
use crate::util::lock;

/// The value of a const.
pub(in crate::runtime) fn value(cx: &Cx<'_>, name: &str) -> Result<Val, Error> {
    let run = cx.run();
    let place = run.session().constant(name);
    if !run.enter_constant(name) {
        return Err(Error::value(format!("const `{name}` needs itself")).fatal());
    }
    // Others who want it wait here, so that it is computed once.
    let mut known = lock(&place);
    let result = match &*known {
        Some(value) => Ok(value.clone()),
        None => compute(cx, name).inspect(|value| *known = Some(value.clone())),
    };
    drop(known);
    run.leave_constant();
    result
}

fn compute(cx: &Cx<'_>, name: &str) -> Result<Val, Error> {
    let function = cx.run().script().constant_function(name);
    let function =
        function.ok_or_else(|| Error::value(format!("there is no const `{name}`")))?;
    cx.call_lowered(&function, None, Vec::new())
}
