//! Consts: computed at most once a session, at first use.

use crate::lm::block_on;
use crate::runtime::cx::Cx;
use crate::runtime::error::Error;
use crate::runtime::parallel::unplaced;
use crate::runtime::value::Val;

/// The value of a const.
pub(in crate::runtime) fn value(cx: &Cx<'_>, name: &str) -> Result<Val, Error> {
    let session = cx.run().session();
    // Told before anybody waits: two consts that need each other may be computed on two threads.
    if let Some(other) = cx.run().constant_under_way()
        && !session.note_need(&other, name)
    {
        return Err(Error::value(format!("const `{name}` needs itself")).fatal());
    }
    let place = session.constant(name);
    // Others who want it wait here, so that it is computed once. It may take calls to models: a
    // fiber that waits gives its thread to the one that computes it.
    let mut known = place.try_lock().unwrap_or_else(|_| block_on(place.lock()));
    match &*known {
        Some(value) => Ok(value.clone()),
        None => compute(cx, name).inspect(|value| *known = Some(value.clone())),
    }
}

fn compute(cx: &Cx<'_>, name: &str) -> Result<Val, Error> {
    let run = cx.run();
    let function = run.script().constant_function(name);
    let function =
        function.ok_or_else(|| Error::value(format!("there is no const `{name}`")))?;
    if run.depth() == 0 {
        run.enter_constant(name);
        let value = cx.call_lowered(&function, None, Vec::new());
        run.leave_constant();
        return value;
    }
    // Which of several parallel calls is the first to need a const is a matter of time, so what
    // it does is part of none of them.
    let apart = run.for_const(name);
    let value = run
        .script()
        .with_context(&apart, |cx| cx.call_lowered(&function, None, Vec::new()))
        .map(|it| unplaced(&it));
    run.keep_const(name, &apart);
    value
}
