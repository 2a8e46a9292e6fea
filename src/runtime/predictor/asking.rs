//! The call of a predictor: the question, the requests and replies, and what is read of them.

use super::{EXTRACT, Predictor, REPEATED};
use crate::adapt::{self, Adapter, Ask, ParseError, Parsed, Prepared};
use crate::lm::{Address, CallContext, Completion, Delta, Request, Sampling, SharedLm};
use crate::runtime::choices;
use crate::runtime::cx::{Args, Cx};
use crate::runtime::error::{Error, Failure, codes};
use crate::runtime::exchange::{Ear, send_heard};
use crate::runtime::facts;
use crate::runtime::lm_value::LmValue;
use crate::runtime::media;
use crate::runtime::pen::Pen;
use crate::runtime::program::Overrides;
use crate::runtime::record_value::typed_values;
use crate::runtime::repair::{Feedback, repaired};
use crate::runtime::reply::Reply;
use crate::runtime::run::Run;
use crate::runtime::stream::{Part, Shared};
use crate::runtime::tape::{Change, NewPrompt};
use crate::runtime::value::Val;
use crate::runtime::watch::{Sight, Watch, halted};
use crate::schema::{Record, Signature};
use crate::trace::{self, Attempt, Kind, LmCall, Node, NodeId};
use std::sync::Arc;

impl Predictor {
    /// As a call, where somebody reads the reply while it comes.
    pub(in crate::runtime) fn predict_watched(
        &self,
        cx: &Cx<'_>,
        args: Args,
        shared: &Shared,
    ) -> Result<Val, Error> {
        // One reply is told, not one of several.
        let one = Overrides { n: Some(1), ..Overrides::default() };
        self.with_overrides(&one).predict(cx, args, Some(&mut Watch::new(cx, shared)))
    }

    pub(in crate::runtime) fn predict(
        &self,
        cx: &Cx<'_>,
        args: Args,
        mut watch: Option<&mut Watch<'_>>,
    ) -> Result<Val, Error> {
        let run = cx.run();
        if self.n() > 1 && !self.lm(run)?.lm.capabilities().n {
            return self.predict_each(cx, &args, self.n());
        }
        let given = self.inputs(args)?;
        let (signature, given) = self.asked(given);
        let laid_out = choices::of_consts(cx, &signature)?;
        let wanted = choices::of_inputs(&laid_out, &given)?;
        let inputs = self.convert(&wanted, &given)?;
        let inputs = media::all_at_hand(run, &inputs)?;
        let narrowed = self.narrowed(&inputs);
        let shown = &*narrowed;
        let demos = media::demos(run, &self.signature, &shown.demos)?;
        let lm = self.lm(run)?;
        let adapter = self.adapter(run, &lm.lm.capabilities())?;
        let asserts = self.overrides.asserts.unwrap_or(true);
        let ask = shown.ask(&laid_out, &inputs, demos.as_deref());
        let question = Question { ask, adapter, wanted: &wanted, prompt: None };
        repaired(run, asserts, |earlier| {
            let node = self.open(run, inputs.clone(), earlier);
            run.note_inputs(node, given.iter().map(|(name, value)| (&**name, value)));
            let change = change(run, node);
            let changed = change.as_ref().map(|it| self.changed(run, it, &lm, &question));
            let result = match changed {
                None => shown.answer(cx, node, &lm, &question, watch.as_deref_mut()),
                Some(Ok((lm, question))) => {
                    shown.answer(cx, node, &lm, &question, watch.as_deref_mut())
                }
                Some(Err(error)) => {
                    run.close_node(node, |it| it.error = Some(error.to_string()));
                    Err(error)
                }
            };
            (node, result.map(Val::object))
        })
    }

    /// The model and the question of a call that somebody wants otherwise than the program.
    fn changed<'a>(
        &self,
        run: &Run,
        change: &'a Change,
        lm: &LmValue,
        question: &Question<'a>,
    ) -> Result<(LmValue, Question<'a>), Error> {
        let lm = match &change.lm {
            Some(other) => other.open(run)?,
            None => lm.clone(),
        };
        let adapter = self.adapter(run, &lm.lm.capabilities())?;
        let instructions = change.instructions.as_deref().unwrap_or(question.ask.instructions);
        let ask = Ask { instructions, ..question.ask };
        let prompt = change.prompt.as_ref();
        Ok((lm, Question { ask, adapter, wanted: question.wanted, prompt }))
    }

    /// Opens the node of a call; `earlier` is that of the last attempt at it.
    fn open(&self, run: &Run, inputs: Record, earlier: Option<NodeId>) -> NodeId {
        let node = self.node(run, inputs);
        let Some(repairs) = run.repairs() else { return run.open_node(node) };
        let retry_of = earlier.or_else(|| repairs.earlier(&node.address));
        let node = run.open_node(Node { retry_of, ..node });
        repairs.begin(node);
        node
    }

    /// Asks, and makes a reply of what comes.
    fn answer(
        &self,
        cx: &Cx<'_>,
        node: NodeId,
        lm: &LmValue,
        question: &Question<'_>,
        mut watch: Option<&mut Watch<'_>>,
    ) -> Result<Reply, Error> {
        let (run, Question { ask, adapter, wanted, .. }) = (cx.run(), question);
        let mut call = LmCall {
            model: lm.lm.name().to_owned(),
            adapter: adapter.name().to_owned(),
            attempts: Vec::new(),
        };
        let read = self.converse(run, lm, question, node, &mut call, watch.as_deref_mut());
        let result = read.and_then(|parsed| self.reply(cx, node, ask.inputs, parsed, wanted));
        let result = result.map(|reply| facts::told(reply, &call, adapter, wanted));
        if let (Ok(reply), Some(watch)) = (&result, &watch) {
            let (fields, complete) = (reply.fields().clone(), reply.complete());
            watch.shared().push(Part { fields, complete, is_last: true });
        }
        run.close_node(node, |it| {
            it.error = result.as_ref().err().map(ToString::to_string);
            it.outputs = result.as_ref().ok().and_then(|reply| reply.record().ok());
            it.replayed =
                !call.attempts.is_empty() && call.attempts.iter().all(|it| it.replayed);
            it.call = Some(Arc::new(call));
        });
        result
    }

    fn node(&self, run: &Run, inputs: Record) -> Node {
        let name = if self.signature.name.is_empty() {
            self.path.clone()
        } else {
            self.signature.name.clone()
        };
        Node::new(Kind::Lm, name, run.next_address(&self.path), inputs)
    }

    /// Asks, and asks again with the reason while the reply cannot be read as what is wanted.
    /// Where the adapter leaves the model free what to write, another question follows, about
    /// what it wrote.
    fn converse(
        &self,
        run: &Arc<Run>,
        lm: &LmValue,
        question: &Question<'_>,
        node: NodeId,
        call: &mut LmCall,
        mut watch: Option<&mut Watch<'_>>,
    ) -> Result<Parsed, Error> {
        let Question { ask, adapter, wanted, .. } = question;
        let capabilities = lm.lm.capabilities();
        let retries = self.retries(run.session().settings.retries);
        let address = run.trace_address(node);
        let lm_now = lm.in_turn(&address);
        let mut asked = Asked { run, lm: lm_now, place: address.clone(), address, again: 0 };
        let repairs = run.repairs();
        let told = repairs.as_ref().and_then(|it| it.told(&asked.address));
        let may_repair =
            run.is_repairing() && repairs.is_some_and(|it| it.may_ask_again(&asked.address));
        let pen = Pen::of(run, self.state.as_deref());
        let (mut prepared, mut parts) = match &told {
            None => pen.prompt(adapter, ask, &capabilities),
            Some(told) => {
                let reason = halted(told.reasons.clone());
                pen.repair(adapter, ask, &capabilities, (&told.reply, &reason))
            }
        };
        asked.again = told.as_ref().map_or(0, |it| it.again);
        if let (Some(other), None) = (question.prompt, &told) {
            prepared.prompt = other.of(&prepared.prompt);
            parts = Arc::default();
        }
        let model = format!("`{}`", lm.lm.name());
        media::taken(ask, &prepared.prompt, &capabilities, adapter.name(), &model)?;
        let mut second = None;
        let mut unread = None;
        let mut turn = 0;
        loop {
            let sight = Sight {
                adapter,
                wanted,
                inputs: ask.inputs,
                contracts: self.base.contracts.as_ref().filter(|_| may_repair),
                may_halt: turn < retries,
            };
            // What a model writes in its own words states no outputs yet.
            let is_free = second.is_none() && *adapter == Adapter::TwoStep;
            let watched = watch.as_deref_mut().filter(|_| !is_free).map(|it| (it, sight));
            let before = call.attempts.len();
            let came = self.exchange(&mut asked, prepared, second.is_some(), call, watched);
            pen.note(&mut call.attempts[before..], parts);
            let came = came.map_err(|it| match &unread {
                Some(why) => it.note(format!("the reply before it cannot be read: {why}")),
                None => it,
            })?;
            let Came { completion, reason } = came;
            if let Some(contract) = watch.as_deref_mut().and_then(Watch::contract) {
                sent_back_early(run, contract)?;
            }
            // A refusal is no output, and who refuses once refuses again.
            if completion.finish == crate::lm::Finish::Filter {
                return Err(Error::filtered(asked.lm.lm.name(), &completion.text, turn + 1));
            }
            let text = &completion.text;
            if second.is_none()
                && let Some(next) = adapter.extraction(wanted, text)
            {
                asked = asked.extracting(self.extractor(run, lm)?);
                (prepared, parts) = pen.extraction(&next);
                second = Some(next);
                continue;
            }
            let parsed = match reason {
                None => adapter.parse(wanted, text),
                Some(reason) => Err(halted(reason)),
            };
            match parsed {
                Ok(parsed) => {
                    note_liberties(call, &parsed);
                    return Ok(parsed);
                }
                Err(error) => {
                    note_failure(call, &error);
                    if turn == retries {
                        return Err(self.unreadable(&asked.lm.lm, text, &error));
                    }
                    turn += 1;
                    asked = asked.numbered();
                    (prepared, parts) = match &second {
                        Some(second) => pen.extraction_again(second, text, &error),
                        None => {
                            let reason = besides(&error, told.as_ref());
                            pen.repair(adapter, ask, &capabilities, (text, &reason))
                        }
                    };
                    unread = Some(error);
                }
            }
        }
    }

    /// One request and its reply, each try noted as an attempt of the call: where one model
    /// cannot answer, the next one is asked, and stays the one that is asked.
    fn exchange(
        &self,
        asked: &mut Asked<'_>,
        mut prepared: Prepared,
        extracts: bool,
        call: &mut LmCall,
        mut watched: Option<(&mut Watch<'_>, Sight<'_>)>,
    ) -> Result<Came, Error> {
        let mut failed = Vec::new();
        loop {
            // Only who may ask another model needs it again.
            let same = (!asked.lm.others.is_empty()).then(|| prepared.clone());
            let watched = watched.as_mut().map(|(watch, sight)| (&mut **watch, *sight));
            let again = asked.again + repeats(call, &prepared);
            let (attempt, came) = self.try_one(asked, prepared, again, watched);
            let name = asked.lm.lm.name();
            let other = (name != call.model).then(|| name.to_owned());
            call.attempts.reserve_exact(1);
            call.attempts.extend(attempt.map(|it| Attempt { model: other, extracts, ..it }));
            let next = match &came {
                Err(error) if error.may_go_elsewhere() => asked.lm.without_first().zip(same),
                _ => None,
            };
            match (next, came) {
                (Some((next, same)), Err(error)) => {
                    failed.push(error.to_string());
                    (asked.lm, prepared) = (next, same);
                }
                (_, Ok(came)) => return Ok(came),
                (None, Err(error)) => {
                    let note =
                        |error: Error, it: String| error.note(format!("before it: {it}"));
                    return Err(failed.into_iter().fold(error, note));
                }
            }
        }
    }

    /// Asks the first of the models.
    fn try_one(
        &self,
        asked: &Asked<'_>,
        prepared: Prepared,
        again: u64,
        watched: Option<(&mut Watch<'_>, Sight<'_>)>,
    ) -> (Option<Attempt>, Result<Came, Error>) {
        let Asked { run, lm, address, place, .. } = asked;
        let sampling = self.sampling(run, lm);
        let mut request = self.request(run, prepared, &sampling);
        request.rollout = request.rollout.saturating_add(again.saturating_mul(REPEATED));
        let request = Arc::new(request);
        let (address, hedge) = (address.clone(), lm.hedge);
        let context = CallContext::of(run.session().cancel.clone());
        let context = CallContext { address, hedge, ..context };
        let cache = self.overrides.cache.unwrap_or(true);
        let mut attempt = None;
        let Some((watch, sight)) = watched else {
            let of = (&context, place);
            let sent = send_heard(run, &lm.lm, request, of, cache, &mut attempt, None);
            return (attempt, sent.map(|completion| Came { completion, reason: None }));
        };
        watch.begins();
        let cancel = watch.shared().cancel.clone();
        let hear = &mut |delta: Delta<'_>| watch.hear(delta, &sight);
        let mut ear = Ear { hear, cancel, reason: None };
        let sent = send_heard(
            run,
            &lm.lm,
            request,
            (&context, place),
            cache,
            &mut attempt,
            Some(&mut ear),
        );
        (attempt, sent.map(|completion| Came { completion, reason: ear.reason }))
    }

    fn request(&self, run: &Run, prepared: Prepared, sampling: &Sampling) -> Request {
        let mut sampling = sampling.clone();
        sampling.stop.extend(prepared.stop);
        sampling.max_tokens = sampling.max_tokens.or(prepared.max_tokens);
        Request {
            decoding: prepared.decoding,
            sampling,
            rollout: self.rollout(run),
            n: self.overrides.n.filter(|it| *it > 1),
            logprobs: self.overrides.logprobs,
            ..Request::new(prepared.prompt)
        }
    }

    fn unreadable(&self, lm: &SharedLm, text: &str, error: &ParseError) -> Error {
        let message = format!("the reply of `{}` to {self} cannot be read: {error}", lm.name());
        Error::from(Failure::new(codes::PARSE, "parse", message))
            .note(format!("the reply was: {}", clip(text)))
    }

    fn reply(
        &self,
        cx: &Cx<'_>,
        node: NodeId,
        inputs: &Record,
        parsed: Parsed,
        wanted: &Signature,
    ) -> Result<Reply, Error> {
        let fields = typed_values(&parsed.values, &wanted.outputs, &wanted.types);
        cx.run().note_outputs(node, fields.iter());
        let warnings = parsed.liberties.iter().map(ToString::to_string).collect();
        if let Some(contracts) = &self.base.contracts {
            let mut values = typed_values(inputs, &wanted.inputs, &wanted.types);
            values.extend(fields.clone());
            cx.call_lowered(contracts, None, vec![Val::Map(values)])?;
        }
        Ok(Reply::new(fields, Some(node)).with_warnings(warnings))
    }
}

/// What is asked, and what of the reply is wanted: the types that only this call knows.
struct Question<'a> {
    ask: Ask<'a>,
    adapter: Adapter,
    wanted: &'a Signature,
    /// What is sent in place of the first prompt.
    prompt: Option<&'a NewPrompt>,
}

/// What is to be otherwise in a call that begins.
fn change(run: &Run, node: NodeId) -> Option<Change> {
    run.env().tape.as_ref()?.change(&run.trace_address(node))
}

/// Sends a call back whose reply was ended for a contract.
fn sent_back_early(run: &Run, contract: Node) -> Result<(), Error> {
    let (source, reason) = (contract.name.to_string(), contract.error.unwrap_or_default());
    let address = run.next_address(&source);
    let node = run.open_node(Node::new(Kind::Assert, &*source, address, contract.inputs));
    run.close_node(node, |it| it.error = Some(reason.clone()));
    let Some(repairs) = run.repairs() else { return Ok(()) };
    repairs.demand(run, node, (&source, &reason), true, &Val::Null).map(|_| ())
}

/// How often the same was asked and answered in this call: the store would only say it again.
fn repeats(call: &LmCall, prepared: &Prepared) -> u64 {
    let same = |it: &&Attempt| it.completion.is_some() && it.request.prompt == prepared.prompt;
    call.attempts.iter().filter(same).count() as u64
}

/// The reason why a reply cannot be read, with what it is to fulfil besides.
fn besides(error: &ParseError, told: Option<&Feedback>) -> ParseError {
    let told = told.map(|it| format!("; {}", it.reasons)).unwrap_or_default();
    ParseError { message: format!("{}{told}", error.message), ..error.clone() }
}

/// A reply, and why it was ended before its end, where it was.
struct Came {
    completion: Arc<Completion>,
    reason: Option<String>,
}

/// Who is asked.
struct Asked<'a> {
    run: &'a Arc<Run>,
    lm: LmValue,
    address: Address,
    /// That of the node.
    place: Address,
    /// How often the same was said before, in other attempts of the program.
    again: u64,
}

impl Asked<'_> {
    /// The model that reads what the first one wrote; scripted replies to it have a path of
    /// their own.
    fn extracting(mut self, lm: LmValue) -> Self {
        self.address.path.push_str(EXTRACT);
        Self { lm, ..self }.numbered()
    }

    /// Counts one more request, where its number says which reply it gets: of those that a
    /// script has for a path, the next one answers.
    fn numbered(self) -> Self {
        if !self.lm.lm.is_scripted() {
            return self;
        }
        let address = self.run.next_address(&self.address.path);
        Self { address, ..self }
    }
}

fn note_liberties(call: &mut LmCall, parsed: &Parsed) {
    if let Some(attempt) = call.attempts.last_mut() {
        let liberty = |it: &adapt::Liberty| trace::Liberty {
            note: it.to_string(),
            kind: it.kind.as_str().to_owned(),
            at: it.at.clone(),
        };
        attempt.liberties = parsed.liberties.iter().map(liberty).collect();
    }
}

fn note_failure(call: &mut LmCall, error: &ParseError) {
    if let Some(attempt) = call.attempts.last_mut() {
        attempt.error = Some(error.to_string());
    }
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
