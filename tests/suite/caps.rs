//! What a budget admits, against a model of it in plain numbers.

use dsp_lang::eval::{Budget, Caps, Failure, FailureKind, Outcome};
use dsp_lang::lm::{Cost, Money};
use dsp_lang::runtime::{Amount, Limits, Passed};
use proptest::prelude::*;

fn money(pico: u64) -> Money {
    serde_json::from_value(pico.into()).expect("money is a number")
}

/// What was taken: one number of each kind.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    calls: u64,
    tokens: u64,
    money: u64,
}

/// A run, and whether its share ended it.
#[derive(Debug, Clone, Copy)]
struct Run {
    took: Taken,
    /// Tokens that it would have needed, where it was ended.
    needed: Option<u64>,
}

impl Run {
    fn outcome(self) -> Outcome {
        let Taken { calls, tokens, money: pico } = self.took;
        let cost = Cost { listed: money(pico), ..Cost::default() };
        let outcome = Outcome {
            calls: u32::try_from(calls).unwrap_or(u32::MAX),
            prompt_tokens: tokens / 2,
            completion_tokens: tokens - tokens / 2,
            cost,
            ..Outcome::default()
        };
        match self.needed {
            None => outcome,
            Some(tokens) => Outcome {
                failure: Some(Failure::new(FailureKind::Stopped, "its share is used up")),
                needed: Amount { tokens, ..Amount::default() },
                ..outcome
            },
        }
    }
}

/// The caps and what was taken of them, as the manual tells it.
#[derive(Debug, Default)]
struct Model {
    calls: Option<u64>,
    tokens: Option<u64>,
    money: Option<u64>,
    spent: Taken,
    most: Taken,
    runs: usize,
}

impl Model {
    /// How many runs may start, when of a kind so much is left and the largest run took so much:
    /// as many as would fit if each took twice that, and one at least while anything is left.
    fn fitting(&self, cap: Option<u64>, spent: u64, most: u64, width: usize) -> usize {
        let Some(cap) = cap else { return usize::MAX };
        let left = cap.saturating_sub(spent);
        match (self.runs, most, left) {
            (0, _, _) => width,
            (_, 0, _) => usize::MAX,
            (_, _, 0) => 0,
            _ => usize::try_from(left / (2 * most)).unwrap().max(1),
        }
    }

    fn admits(&self, wanted: usize, per_run: Option<u64>, width: usize) -> usize {
        let width = width.max(1);
        let left = self.calls.map(|cap| cap.saturating_sub(self.spent.calls));
        let by_calls = match (left, per_run) {
            (None, _) | (_, Some(0)) => usize::MAX,
            (Some(left), Some(each)) => usize::try_from(left / each).unwrap(),
            (Some(left), None) => width.min(usize::try_from(left).unwrap()),
        };
        let by_tokens = self.fitting(self.tokens, self.spent.tokens, self.most.tokens, width);
        let by_money = self.fitting(self.money, self.spent.money, self.most.money, width);
        wanted.min(by_calls).min(by_tokens).min(by_money)
    }

    fn take(&mut self, run: &Run) {
        let Taken { calls, tokens, money } = run.took;
        self.spent.calls += calls;
        self.spent.tokens += tokens;
        self.spent.money += money;
        self.most.calls = self.most.calls.max(calls);
        self.most.tokens = self.most.tokens.max(tokens).max(run.needed.unwrap_or(0));
        self.most.money = self.most.money.max(money);
        self.runs += 1;
    }
}

fn cap() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![Just(None), (0u64..60).prop_map(Some), Just(Some(1_000_000))]
}

fn run() -> impl Strategy<Value = Run> {
    let taken = (0u64..5, 0u64..12, 0u64..12);
    let taken = taken.prop_map(|(calls, tokens, money)| Taken { calls, tokens, money });
    let needed = prop_oneof![3 => Just(None), 1 => (0u64..40).prop_map(Some)];
    (taken, needed).prop_map(|(took, needed)| Run { took, needed })
}

proptest! {
    #[test]
    fn it_admits_what_the_model_admits(
        caps in (cap(), cap(), cap()),
        batches in prop::collection::vec(
            (0usize..20, prop::option::of(0u64..6), 0usize..9, prop::collection::vec(run(), 0..5)),
            1..12,
        ),
    ) {
        let (calls, tokens, pico) = caps;
        let given = Caps {
            max_calls: calls,
            max_tokens: tokens,
            max_cost: pico.map(money),
            ..Caps::calls(calls)
        };
        prop_assert_eq!(given.is_empty(), caps == (None, None, None));
        prop_assert_eq!(Caps::calls(calls), Caps { max_calls: calls, ..Caps::default() });
        let mut budget = Budget::new(&given);
        let mut model = Model { calls, tokens, money: pico, ..Model::default() };
        prop_assert_eq!(budget.cap(), calls);
        for (wanted, per_run, width, runs) in batches {
            let left = |cap: Option<u64>, spent| cap.map(|cap| cap.saturating_sub(spent));
            let (of_calls, of_tokens, of_money) = (
                left(calls, model.spent.calls),
                left(tokens, model.spent.tokens),
                left(pico, model.spent.money),
            );
            let expected =
                Limits { calls: of_calls, tokens: of_tokens, money: of_money.map(money) };
            prop_assert_eq!(budget.left(), expected);
            let admitted = budget.admit(wanted, per_run, width);
            prop_assert_eq!(admitted.runs, model.admits(wanted, per_run, width));
            let n = admitted.runs.max(1) as u64;
            prop_assert_eq!(admitted.share.tokens, of_tokens.map(|it| it / n));
            let share = |left: u64| per_run.unwrap_or(left / n);
            prop_assert_eq!(admitted.share.calls, of_calls.map(share));
            // In any case so many fit, whatever they take.
            let room = match (of_calls, per_run) {
                _ if tokens.is_some() || pico.is_some() => 0,
                (None, _) | (_, Some(0)) => usize::MAX,
                (Some(_), None) => 0,
                (Some(left), Some(each)) => usize::try_from(left / each).unwrap(),
            };
            prop_assert_eq!(budget.room(per_run), if of_calls.is_none() && room > 0 { usize::MAX } else { room });
            let used_up = match (of_calls, of_tokens) {
                (Some(left), _) if left < per_run.unwrap_or(1).max(1) => Passed::Calls(calls.unwrap()),
                (_, Some(0)) => Passed::Tokens(tokens.unwrap()),
                _ if pico.is_some() => Passed::Money(money(pico.unwrap())),
                _ if tokens.is_some() => Passed::Tokens(tokens.unwrap()),
                _ => Passed::Calls(calls.unwrap_or(0)),
            };
            prop_assert_eq!(budget.used_up(per_run), used_up);
            for run in runs {
                let outcome = run.outcome();
                let passes = admitted.share.tokens.is_some_and(|most| {
                    run.needed.is_some_and(|needed| needed > most)
                });
                let refused = budget.refuses(&admitted, &outcome);
                prop_assert_eq!(refused, passes.then(|| Passed::Tokens(tokens.unwrap())));
                let again = budget.settle(&admitted, &outcome);
                prop_assert_eq!(again, passes && admitted.runs > 1);
                model.take(&run);
                prop_assert_eq!(budget.spent(), model.spent.calls);
                let taken = Amount {
                    calls: model.spent.calls,
                    tokens: model.spent.tokens,
                    money: money(model.spent.money),
                };
                prop_assert_eq!(budget.taken(), taken);
            }
        }
    }
}
