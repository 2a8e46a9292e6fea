//! Optimizers as values of scripts: `compile` and `plan`, and the command that compiles.

use crate::eval::journal::{End, Header, Journaled, Keep, Role, header as journal_header};
use crate::eval::{
    Account, Caps, Dataset, DatasetValue, Evaluator, Event, ProgramEvaluator, Remote, Reporter,
    Stop, attached, called, contents, evaluator_of, open_journal, priced, run_options,
    warn_of_broken,
};
use crate::lm::{LmOptions, SharedLm};
use crate::optimize::asker::{Asker, Kept};
use crate::optimize::{
    Care, Compiled, Plan, Policy, Problem, Prompts, Proposer, Question, Settings, Teacher, Who,
    compile, forecast, plan,
};
use crate::program::State;
use crate::runtime::{
    Args, Cx, Error, Failure, Limits, LmValue, Object, Program, Run, Val, Warning, codes, wrong,
};
use crate::schema::Record;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// An optimizer with its options, ready to compile.
pub(in crate::optimize) struct Optimizer {
    pub(in crate::optimize) policy: Arc<dyn Policy + Send + Sync>,
    pub(in crate::optimize) settings: Settings,
    pub(in crate::optimize) threads: Option<usize>,
    pub(in crate::optimize) metric: Option<Val>,
    pub(in crate::optimize) teacher: Option<Program>,
    /// The model that proposes; the program's usual one when `None`.
    pub(in crate::optimize) proposer: Option<LmValue>,
}

impl fmt::Debug for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.policy.name())
    }
}

impl Object for Optimizer {
    fn type_name(&self) -> &'static str {
        "optimizer"
    }

    fn method(&self, cx: &Cx<'_>, name: &str, args: Args) -> Option<Result<Val, Error>> {
        match name {
            "compile" => Some(self.compile(cx, args)),
            "plan" => Some(self.plan(cx, args)),
            _ => None,
        }
    }

    fn show(&self) -> String {
        let options: Vec<String> =
            self.policy.options().iter().map(|(name, it)| format!("{name}: {it}")).collect();
        format!("{}({})", self.policy.name(), options.join(", "))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What `compile` and `plan` are given.
struct Given {
    program: Program,
    trainset: Dataset,
    valset: Option<Dataset>,
    testset: Option<Dataset>,
    care: Care,
}

/// The arguments of `compile` and `plan`.
const COMPILE: &[&str] = &["program", "trainset", "valset", "testset", "confirm", "overlap"];

impl Given {
    fn take(mut args: Args) -> Result<Self, Error> {
        let program =
            Program::from_val("program", &args.take(0, "program").unwrap_or_default())?;
        let trainset = args.option("trainset");
        let trainset = trainset.ok_or_else(|| Error::value("`trainset` is missing"))?;
        let (valset, testset) = (args.option("valset"), args.option("testset"));
        let usual = Care::default();
        let care = Care {
            confirm: args.number("confirm")?.unwrap_or(usual.confirm),
            overlap: args.flag("overlap")?.unwrap_or(usual.overlap),
            inputs: Vec::new(),
        };
        args.finish("compile", 1, COMPILE)?;
        let rows =
            |name, it: Option<Val>| it.map(|it| DatasetValue::from_val(name, &it)).transpose();
        Ok(Self {
            program,
            trainset: DatasetValue::from_val("trainset", &trainset)?,
            valset: rows("valset", valset)?,
            testset: rows("testset", testset)?,
            care,
        })
    }
}

impl Optimizer {
    /// What compiling takes at most and, where runs may be made to know it, what it is likely to
    /// take.
    fn plan(&self, cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
        let measure = args.count("measure")?.unwrap_or(0);
        let given = Given::take(args)?;
        let program = given.program.clone();
        let run = run_options(cx, &program, self.threads);
        let settings = Settings { run, ..self.settings.clone() };
        let prompts = Lengths {
            run: cx.run().clone(),
            student: program.clone(),
            teacher: self.teacher.clone().unwrap_or_else(|| program.clone()),
        };
        self.with_problem(cx, given, None, |problem, _| {
            let plan = plan(&*self.policy, problem, &settings).map_err(|it| told(&it))?;
            let mut text = plan.render();
            if measure > 0 && !plan.phases.is_empty() {
                priced(cx, &program.models(cx.run()), settings.max_cost)?;
                let cancel = &cx.run().session().cancel;
                let forecast =
                    forecast(&*self.policy, problem, &settings, measure, &prompts, cancel);
                text += &forecast.map_err(|it| told(&it))?.render();
            }
            Ok(Val::str(text.trim_end()))
        })
    }

    fn compile(&self, cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
        let given = Given::take(args)?;
        let program = given.program.clone();
        let compiled = self.found(cx, given, None, None)?;
        Ok(program.with_state(&Arc::new(compiled.state)).value().clone())
    }

    /// Searches; finished runs are kept in a file where there is to be one, and the program's
    /// are made elsewhere where somebody does.
    fn found(
        &self,
        cx: &Cx<'_>,
        given: Given,
        keep: Option<&Keep>,
        remote: Option<&Arc<dyn Remote>>,
    ) -> Result<Compiled, Error> {
        let program = given.program.clone();
        let run = run_options(cx, &program, self.threads);
        let settings = Settings { run, ..self.settings.clone() };
        self.with_problem(cx, given, remote, |problem, evaluator| {
            self.announce(cx, &program, problem)?;
            let host = &cx.run().env().host;
            let began = host.elapsed();
            let compiled = match keep {
                None => self.search(cx, problem, &settings),
                Some(keep) => {
                    let header = self.header(cx, keep, &program, problem, &settings)?;
                    let questions = self.policy.questions();
                    keeping(cx, keep, &header, problem, &questions, |problem| {
                        self.search(cx, problem, &settings)
                    })
                }
            };
            evaluator.place_traces();
            let (mut compiled, took) = (compiled?, host.elapsed().saturating_sub(began));
            name_adapters(cx, &program, &mut compiled.state);
            self.account(cx, problem, &compiled, &program, keep, took);
            if let Some(Stop::Metric(message)) = &compiled.report.stop {
                // What was found by such a metric is not the best of anything.
                return Err(Error::value(message.clone()));
            }
            if let Some(Stop::Unserved(message)) = &compiled.report.stop {
                let failure = Failure::new(codes::LM, "lm", message.clone());
                return Err(Failure { infrastructure: true, ..failure }.into());
            }
            report(cx, &compiled, took);
            Ok(compiled)
        })
    }

    /// Tells who watches what was found.
    fn account(
        &self,
        cx: &Cx<'_>,
        problem: &Problem<'_>,
        compiled: &Compiled,
        program: &Program,
        keep: Option<&Keep>,
        took: Duration,
    ) {
        let Some(observer) = attached(cx).and_then(|it| it.observer.as_deref()) else { return };
        let models = program.models(cx.run());
        let account = Account {
            program: called(program.value()),
            metric: self.metric.as_ref().map(called).unwrap_or_default(),
            models: models.iter().map(|lm| lm.name().to_owned()).collect(),
            run: keep.map(|it| it.id.clone()),
            seconds: took.as_secs_f64(),
            ..compiled.account(problem)
        };
        observer.see(&Event::Came(&account, &compiled.report.to_value()));
    }

    fn search(
        &self,
        cx: &Cx<'_>,
        problem: &Problem<'_>,
        settings: &Settings,
    ) -> Result<Compiled, Error> {
        let mut reporter = Reporter::new(cx, self.policy.name());
        let session = cx.run().session();
        let cancel = session.settings.pause.as_ref().unwrap_or(&session.cancel);
        let compiled = compile(&*self.policy, problem, settings, cancel, &mut |it| {
            reporter.tell(it);
        });
        compiled.map_err(|it| told(&it))
    }

    /// What the runs of a search depend on.
    fn header(
        &self,
        cx: &Cx<'_>,
        keep: &Keep,
        program: &Program,
        problem: &Problem<'_>,
        settings: &Settings,
    ) -> Result<Header, Error> {
        let teacher = self.teacher.iter();
        let models = std::iter::once(program).chain(teacher).flat_map(|it| it.models(cx.run()));
        let models = models.chain(self.proposers(cx, program));
        let models = models.chain(self.others(cx)?);
        let mut models: Vec<String> = models.map(|lm| lm.name().to_owned()).collect();
        models.dedup();
        let options = self.policy.options();
        let options: Vec<String> =
            options.iter().map(|(name, it)| format!("{name}: {it}")).collect();
        let more = [
            format!("width: {}", settings.run.width),
            format!("only: {:?}", settings.only),
            format!("teacher: {:?}", problem.teacher.as_ref().map(|it| it.state.hash())),
        ];
        let hash = |it: &Option<Dataset>| it.as_ref().map_or(Ok(String::new()), Dataset::hash);
        let care = [
            format!("confirm: {}", problem.care.confirm),
            format!("overlap: {}", problem.care.overlap),
            format!("testset: {}", hash(&problem.testset)?),
        ];
        let options = [&options[..], &more, &care].concat().join(", ");
        let valset = hash(&problem.valset)?;
        let sets = [&problem.valset, &problem.testset].into_iter().flatten();
        let sets = std::iter::once(&problem.trainset).chain(sets);
        let contents = contents(cx.run(), program, sets)?;
        Ok(Header {
            kind: "compile".to_owned(),
            state: problem.start.hash(),
            data: problem.trainset.hash()?,
            contents,
            valset,
            optimizer: format!("{}({options})", self.policy.name()),
            models,
            seed: settings.seed,
            rows: problem.trainset.len() + problem.valset.as_ref().map_or(0, Dataset::len),
            ..journal_header(&*cx.run().env().host, keep)
        })
    }

    fn with_problem<T>(
        &self,
        cx: &Cx<'_>,
        given: Given,
        remote: Option<&Arc<dyn Remote>>,
        work: impl FnOnce(&Problem<'_>, &ProgramEvaluator) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let run = cx.run();
        let evaluator = ProgramEvaluator::new(run, given.program.clone(), self.metric.clone());
        let teacher = self.teacher.as_ref().map(|it| {
            (ProgramEvaluator::new(run, it.clone(), self.metric.clone()), it.state())
        });
        if given.testset.is_some() && self.metric.is_none() {
            let message =
                format!("{} scores nothing, so `testset` is of no use", self.policy.name());
            return Err(Error::value(message)
                .hint("measure what it gave: `compare(before, after, test, metric: …)`"));
        }
        let asker = Asker::new(run, &self.policy.questions(), self.asked(cx, &given.program));
        let signatures = given.program.trainable();
        let remote = evaluator_of(&evaluator, remote, run.session());
        // What a program takes makes its rows equal; where it does not say it, usual names do.
        let inputs = given.program.params(run.script()).unwrap_or_default();
        let inputs = inputs.into_iter().map(|(name, _)| name.to_string()).collect();
        let problem = Problem {
            evaluator: remote.as_ref().map_or(&evaluator as &dyn Evaluator, |it| it),
            signatures: &signatures,
            source: given.program.source(run.script()),
            start: given.program.state(),
            teacher: teacher.as_ref().map(|(evaluator, state)| Teacher {
                evaluator: Some(evaluator),
                state: state.clone(),
            }),
            trainset: given.trainset,
            valset: given.valset,
            testset: given.testset,
            care: Care { inputs, ..given.care },
            lm: named(&given.program.models(run)),
            proposer: Some(&asker),
        };
        work(&problem, &evaluator)
    }

    /// Says what the search will take at most, and refuses one that could spend without limit.
    fn announce(
        &self,
        cx: &Cx<'_>,
        program: &Program,
        problem: &Problem<'_>,
    ) -> Result<(), Error> {
        let plan = plan(&*self.policy, problem, &self.settings).map_err(|it| told(&it))?;
        let what = self.policy.name();
        let hint = format!("cap it: `{what}(…, max_calls: 500)`");
        let spender = Spender { what, work: "search", caps: self.settings.caps(), hint: &hint };
        let mut more = self.proposers(cx, program);
        more.extend(self.others(cx)?);
        spender.announce(cx, program, self.teacher.as_ref(), more, &plan)
    }

    /// The model that proposes, for a policy that asks: the one that was given, else the usual
    /// one of the script, else the first that the program asks.
    fn asked(&self, cx: &Cx<'_>, program: &Program) -> Option<LmValue> {
        let settings = &cx.run().session().settings;
        let has_usual = settings.lm.is_some() || settings.lm_name.is_some();
        let of_program = || {
            let first = program.models(cx.run()).into_iter().next()?;
            Some(LmValue::new(first, LmOptions::default()))
        };
        self.proposer.clone().or_else(|| if has_usual { None } else { of_program() })
    }

    /// The models that the policy may have the program ask.
    fn others(&self, cx: &Cx<'_>) -> Result<Vec<SharedLm>, Error> {
        let names = self.policy.models().iter().flat_map(|it| it.split(','));
        names.map(|it| cx.run().session().named_lm(it.trim())).collect()
    }

    /// The models that propose, as far as they are not the script's usual one.
    fn proposers(&self, cx: &Cx<'_>, program: &Program) -> Vec<SharedLm> {
        match self.policy.questions().is_empty() {
            true => Vec::new(),
            false => self.asked(cx, program).map(|it| it.lm).into_iter().collect(),
        }
    }
}

/// Work that makes many calls.
pub(in crate::optimize) struct Spender<'a> {
    /// Its name.
    pub(in crate::optimize) what: &'a str,
    /// What it is.
    pub(in crate::optimize) work: &'a str,
    /// What it may take.
    pub(in crate::optimize) caps: Caps,
    /// How it can be given a cap.
    pub(in crate::optimize) hint: &'a str,
}

impl Spender<'_> {
    /// Says what it will take at most, and refuses what could spend without limit.
    pub(in crate::optimize) fn announce(
        &self,
        cx: &Cx<'_>,
        program: &Program,
        teacher: Option<&Program>,
        others: Vec<SharedLm>,
        plan: &Plan,
    ) -> Result<(), Error> {
        let session = cx.run().session();
        if session.settings.progress && !plan.phases.is_empty() {
            let host = &session.env.host;
            host.eprint(&format!("{}: before it starts\n{}", self.what, plan.render()));
        }
        let settings = &session.settings;
        let capped = !self.caps.is_empty()
            || session.limits() != Limits::default()
            || settings.max_time.is_some();
        let asked = std::iter::once(program).chain(teacher);
        let models: Vec<SharedLm> =
            asked.flat_map(|it| it.models(cx.run())).chain(others).collect();
        priced(cx, &models, self.caps.max_cost)?;
        // What a function asks is only known when it runs: the run's model is assumed.
        let local = |name: &str| name.starts_with("local/") || name.starts_with("local:");
        let free = match &settings.lm {
            Some(lm) => lm.capabilities().in_process,
            None => settings.lm_name.as_deref().is_some_and(local),
        };
        let unknown = program.signatures().is_empty() && !free;
        let costs = unknown || models.iter().any(|lm| !lm.capabilities().in_process);
        if capped || !costs || plan.worst_case() == Some(0) {
            return Ok(());
        }
        let most = plan.worst_case().map_or("any number of".to_owned(), |it| it.to_string());
        let message = format!("this {} has no cap and may make {most} calls", self.work);
        // Only a command has a person to ask.
        let host = settings.progress.then_some(&session.env.host);
        let message = match host.and_then(|it| it.confirm(&format!("{message}; go on?"))) {
            Some(true) => return Ok(()),
            Some(false) => format!("the {} was not begun", self.work),
            None => message,
        };
        Err(Error::from(Failure::new(codes::BUDGET, "budget", message)).hint(self.hint))
    }
}

/// Lengths of prompts, as the programs would send them.
struct Lengths {
    run: Arc<Run>,
    student: Program,
    teacher: Program,
}

impl Prompts for Lengths {
    fn bytes(&self, who: Who, state: &State, path: &str, inputs: &Record) -> Option<u64> {
        let program = match who {
            Who::Student => &self.student,
            Who::Teacher => &self.teacher,
            Who::Proposer(_) => return None,
        };
        let predictor = program.with_state(&Arc::new(state.clone())).predictor(path)?;
        predictor.prompt_bytes(&self.run, inputs).ok()
    }
}

/// Searches for a state with what an expression gives: an optimizer, a program, rows to learn
/// from and, where they are not null, rows to choose by and rows for the last comparison. Finished
/// runs are kept.
///
/// # Errors
/// Values that do not fit, what the search raises, and a file of runs that cannot be gone on
/// with.
pub fn compile_kept(
    cx: &Cx<'_>,
    parts: &[Val],
    keep: Option<&Keep>,
) -> Result<(Program, Compiled), Error> {
    let [optimizer, program, trainset, valset, testset] = parts else {
        return Err(Error::value("five values"));
    };
    let Some(optimizer) = optimizer.downcast::<Optimizer>() else {
        return Err(wrong("with", "an optimizer", optimizer));
    };
    let rows = |name, it: &Val| match it {
        Val::Null => Ok(None),
        data => DatasetValue::from_val(name, data).map(Some),
    };
    let given = Given {
        program: Program::from_val("program", program)?,
        trainset: DatasetValue::from_val("trainset", trainset)?,
        valset: rows("valset", valset)?,
        testset: rows("testset", testset)?,
        care: Care::default(),
    };
    let program = given.program.clone();
    // What a command asks for is known to its workers; what scripts begin by themselves is not.
    let remote = attached(cx).and_then(|it| it.remote.get());
    let compiled = optimizer.found(cx, given, keep, remote)?;
    Ok((program.with_state(&Arc::new(compiled.state.clone())), compiled))
}

/// Writes down how the prompts of the state were laid out: what is chosen for one model need not
/// be chosen for another, and what was found was found with it.
fn name_adapters(cx: &Cx<'_>, program: &Program, state: &mut State) {
    for (path, own) in &mut state.predictors {
        let predictor = program.predictor(path).filter(|it| !it.is_frozen());
        // Demos can be chosen without a model that can be opened.
        if let Some(predictor) = predictor {
            let _ = predictor.note_adapter(cx.run(), own);
        }
    }
}

/// Does the work of a search with evaluators that keep what they ran.
fn keeping(
    cx: &Cx<'_>,
    keep: &Keep,
    header: &Header,
    problem: &Problem<'_>,
    questions: &[Question],
    work: impl FnOnce(&Problem<'_>) -> Result<Compiled, Error>,
) -> Result<Compiled, Error> {
    let journal = open_journal(cx, keep, header)?;
    let (inner, journal) = (problem.evaluator, &journal);
    let student = Journaled { inner, journal, role: Role::Program };
    let teaching = problem.teacher.as_ref().and_then(|it| it.evaluator).unwrap_or(inner);
    let teaching = Journaled { inner: teaching, journal, role: Role::Teacher };
    let teacher = problem.teacher.as_ref().map(|it| Teacher {
        evaluator: it.evaluator.map(|_| &teaching as &dyn Evaluator),
        state: it.state.clone(),
    });
    let asking = problem.proposer.map(|inner| Kept::new(inner, questions, journal));
    let proposer = asking.as_ref().map(|it| it as &dyn Proposer);
    let kept = Problem { evaluator: &student, teacher, proposer, ..problem.clone() };
    let compiled = work(&kept)?;
    if compiled.report.stop.is_none() {
        let best = compiled.report.best_candidate();
        journal.end(End {
            score: best.and_then(|it| it.score),
            scored: best.map_or(0, |it| it.values.iter().flatten().count()),
        });
    }
    warn_of_broken(cx, journal);
    Ok(compiled)
}

/// The names of the models that a program asks.
pub(in crate::optimize) fn named(models: &[SharedLm]) -> Option<String> {
    let names: Vec<&str> = models.iter().map(|lm| lm.name()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

pub(in crate::optimize) fn told(diagnostic: &crate::diag::Diagnostic) -> Error {
    let failure = Failure::new(diagnostic.code, "value", diagnostic.message.clone());
    let (notes, hints) = (diagnostic.notes.clone(), diagnostic.hints.clone());
    Failure { notes, hints, ..failure }.into()
}

fn report(cx: &Cx<'_>, compiled: &Compiled, wall: Duration) {
    let session = cx.run().session();
    if session.settings.progress {
        session.env.host.eprint(&compiled.report.render());
        session.env.host.eprint(&compiled.report.path.render(wall));
        return;
    }
    for notice in &compiled.report.notices {
        let (message, notes) = (notice.message.clone(), notice.notes.clone());
        cx.run().warn(Warning { code: notice.code, message, notes, place: cx.place() });
    }
}
