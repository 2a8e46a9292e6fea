//! A tree-structured Parzen estimator: proposes what resembles the good trials and not the rest.
//!
//! Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (2011), with kernels over all
//! dimensions at once (Falkner et al., "BOHB", 2018), which pays where dimensions go together as
//! instructions and demos do. In plain words:
//!
//! 1. The first trials are drawn at random.
//! 2. Then the best tenth of the trials, 25 at most, are the good ones. Both kinds get a density.
//! 3. Points are drawn from that of the good ones; the one where it is highest against that of
//!    the rest is proposed.
//!
//! Trials that are still under way count among the rest, so that several are not proposed at
//! the same place (Ginsbourger et al., "Kriging is well-suited to parallelize optimization",
//! 2010: the constant liar). A proposal depends on the seed, on its number, and on what was told
//! before it.

use crate::sampling::parzen::Parzen;
use crate::sampling::{ceil, float};
use crate::util::Random;

/// Trials that are drawn at random, unless said otherwise.
const FIRST: usize = 10;
/// Points that a proposal is chosen from.
const DRAWN: usize = 24;
/// The part of the trials that are good ones.
const GOOD: f64 = 0.1;
/// The most good ones.
const MOST_GOOD: usize = 25;

/// What may be chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Dimension {
    /// One of so many things that have no order.
    Choice(usize),
    /// A whole number, both ends included.
    Int {
        /// The least.
        low: i64,
        /// The most.
        high: i64,
    },
    /// A number.
    Float {
        /// The least.
        low: f64,
        /// The most.
        high: f64,
        /// Whether factors count, not differences; then both ends are above 0.
        log: bool,
    },
}

/// What was chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Setting {
    /// Of a [`Dimension::Choice`].
    Choice(usize),
    /// Of a [`Dimension::Int`].
    Int(i64),
    /// Of a [`Dimension::Float`].
    Float(f64),
}

impl Setting {
    /// The index of a choice; 0 for numbers.
    pub fn choice(self) -> usize {
        match self {
            Self::Choice(at) => at,
            Self::Int(_) | Self::Float(_) => 0,
        }
    }
}

impl Dimension {
    /// The ends of the numbers that kernels lie on.
    #[expect(clippy::cast_precision_loss, reason = "ranges are far narrower than 2^52")]
    pub(super) fn bounds(self) -> (f64, f64) {
        match self {
            Self::Choice(choices) => (0.0, float(choices)),
            Self::Int { low, high } => (low as f64 - 0.5, high as f64 + 0.5),
            Self::Float { low, high, log: true } => (low.ln(), high.ln()),
            Self::Float { low, high, log: false } => (low, high),
        }
    }

    /// The number that stands for a setting.
    #[expect(clippy::cast_precision_loss, reason = "ranges are far narrower than 2^52")]
    pub(super) fn number(self, setting: Setting) -> f64 {
        match setting {
            Setting::Choice(at) => float(at),
            Setting::Int(number) => number as f64,
            Setting::Float(number) if matches!(self, Self::Float { log: true, .. }) => {
                number.ln()
            }
            Setting::Float(number) => number,
        }
    }

    /// The setting that a number stands for.
    #[expect(clippy::cast_possible_truncation, reason = "numbers lie within the bounds")]
    pub(super) fn setting(self, number: f64) -> Setting {
        match self {
            Self::Choice(choices) => {
                Setting::Choice(ceil(number).min(choices.saturating_sub(1)))
            }
            Self::Int { low, high } => Setting::Int((number.round() as i64).clamp(low, high)),
            Self::Float { low, high, log } => {
                let number = if log { number.exp() } else { number };
                Setting::Float(number.clamp(low, high))
            }
        }
    }

    fn draw(self, random: &mut Random) -> Setting {
        match self {
            Self::Choice(choices) => Setting::Choice(random.below(choices)),
            Self::Int { .. } | Self::Float { .. } => {
                let (low, high) = self.bounds();
                self.setting(low + (high - low) * random.unit())
            }
        }
    }

    /// Why nothing can be chosen here.
    fn fault(self) -> Option<&'static str> {
        match self {
            Self::Choice(0) => Some("there is nothing to choose from"),
            Self::Int { low, high } if low > high => Some("the ends are the wrong way round"),
            Self::Float { low, high, .. } if !low.is_finite() || !high.is_finite() => {
                Some("the ends are no numbers")
            }
            Self::Float { low, high, .. } if low > high => {
                Some("the ends are the wrong way round")
            }
            Self::Float { low, log: true, .. } if low <= 0.0 => Some("no factor leads below 0"),
            Self::Choice(_) | Self::Int { .. } | Self::Float { .. } => None,
        }
    }
}

/// The estimator. Higher scores are better.
#[derive(Debug, Clone)]
pub struct Tpe {
    dimensions: Vec<Dimension>,
    seed: u64,
    /// Trials that are drawn at random.
    first: usize,
    trials: Vec<Trial>,
}

#[derive(Debug, Clone)]
struct Trial {
    point: Vec<Setting>,
    told: Told,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    /// It is under way.
    Nothing,
    /// It gave no score.
    Failed,
    Score(f64),
}

impl Tpe {
    /// Returns an estimator over these dimensions.
    ///
    /// # Errors
    /// A dimension in which nothing can be chosen.
    pub fn new(dimensions: Vec<Dimension>, seed: u64) -> Result<Self, String> {
        match dimensions.iter().enumerate().find_map(|(at, it)| Some((at, it.fault()?))) {
            Some((at, fault)) => Err(format!("dimension {at}: {fault}")),
            None => Ok(Self { dimensions, seed, first: FIRST, trials: Vec::new() }),
        }
    }

    /// It, with so many trials that are drawn at random before it learns; those that are added
    /// count.
    pub fn learning_after(self, first: usize) -> Self {
        Self { first, ..self }
    }

    /// Proposes a point, with the number by which its score is told.
    pub fn ask(&mut self) -> (usize, Vec<Setting>) {
        let serial = self.trials.len();
        let mut random = Random::new(self.seed, &format!("tpe {serial}"));
        let known = self.trials.iter().any(|it| matches!(it.told, Told::Score(_)));
        let point = if serial < self.first || !known {
            self.dimensions.iter().map(|it| it.draw(&mut random)).collect()
        } else {
            self.propose(&mut random)
        };
        self.trials.push(Trial { point: point.clone(), told: Told::Nothing });
        (serial, point)
    }

    /// Tells what a proposal scored; `None` where it gave no score. Unknown numbers are no news.
    pub fn tell(&mut self, serial: usize, score: Option<f64>) {
        if let Some(trial) = self.trials.get_mut(serial) {
            let score = score.filter(|it| it.is_finite());
            trial.told = score.map_or(Told::Failed, Told::Score);
        }
    }

    /// Adds a trial that was made without asking, such as the program as it is.
    ///
    /// # Errors
    /// A point that does not lie in the dimensions.
    pub fn add(&mut self, point: Vec<Setting>, score: f64) -> Result<(), String> {
        let fits = |(dimension, setting): (&Dimension, &Setting)| match (dimension, setting) {
            (Dimension::Choice(choices), Setting::Choice(at)) => at < choices,
            (Dimension::Int { low, high }, Setting::Int(it)) => (low..=high).contains(&it),
            (Dimension::Float { low, high, .. }, Setting::Float(it)) => {
                (low..=high).contains(&it)
            }
            _ => false,
        };
        if point.len() != self.dimensions.len() || !self.dimensions.iter().zip(&point).all(fits)
        {
            return Err(format!("{point:?} does not lie in the dimensions"));
        }
        let serial = self.trials.len();
        self.trials.push(Trial { point, told: Told::Nothing });
        self.tell(serial, Some(score));
        Ok(())
    }

    fn propose(&self, random: &mut Random) -> Vec<Setting> {
        let (good, rest) = self.sides();
        let (good, rest) =
            (Parzen::new(&self.dimensions, &good), Parzen::new(&self.dimensions, &rest));
        let drawn = (0..DRAWN).map(|_| {
            let point = good.draw(random);
            let gain = good.log_density(&point) - rest.log_density(&point);
            (gain, point)
        });
        let better = |best: (f64, Vec<Setting>), it: (f64, Vec<Setting>)| {
            if it.0 > best.0 { it } else { best }
        };
        drawn.fold((f64::NEG_INFINITY, Vec::new()), better).1
    }

    /// The points of the good trials and of the rest, each in the order of the trials.
    fn sides(&self) -> (Vec<&[Setting]>, Vec<&[Setting]>) {
        let score = |at: usize| match self.trials[at].told {
            Told::Score(score) => score,
            Told::Nothing | Told::Failed => f64::NEG_INFINITY,
        };
        let scored = |at: &usize| matches!(self.trials[*at].told, Told::Score(_));
        let mut ranked: Vec<usize> = (0..self.trials.len()).filter(scored).collect();
        ranked.sort_by(|a, b| score(*b).total_cmp(&score(*a)));
        ranked.truncate(ceil(GOOD * float(self.trials.len())).clamp(1, MOST_GOOD));
        let points = |good: bool| {
            let all = self.trials.iter().enumerate();
            let side = all.filter(|(at, _)| ranked.contains(at) == good);
            side.map(|(_, it)| it.point.as_slice()).collect()
        };
        (points(true), points(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dimensions() -> Vec<Dimension> {
        vec![
            Dimension::Choice(5),
            Dimension::Int { low: -3, high: 12 },
            Dimension::Float { low: 1e-4, high: 1.0, log: true },
        ]
    }

    fn value(point: &[Setting]) -> f64 {
        let &[Setting::Choice(choice), Setting::Int(int), Setting::Float(float)] = point else {
            panic!("{point:?}");
        };
        let near = -((int - 7) as f64 / 15.0).powi(2) - (float.log10() + 2.0).powi(2) / 4.0;
        near + if choice == 3 { 0.5 } else { 0.0 }
    }

    #[test]
    fn proposals_are_those_of_the_seed_and_of_what_was_told() {
        let run = |seed| {
            let mut tpe = Tpe::new(dimensions(), seed).unwrap_or_else(|it| panic!("{it}"));
            (0..40)
                .map(|_| {
                    let (serial, point) = tpe.ask();
                    tpe.tell(serial, Some(value(&point)));
                    point
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let best = run(1).iter().map(|it| value(it)).fold(f64::NEG_INFINITY, f64::max);
        assert!(best > 0.45, "{best}");
    }

    #[test]
    fn several_under_way_do_not_crowd() {
        let mut tpe =
            Tpe::new(vec![Dimension::Choice(30)], 4).unwrap_or_else(|it| panic!("{it}"));
        for _ in 0..20 {
            let (serial, point) = tpe.ask();
            tpe.tell(serial, Some(if point[0].choice() == 7 { 1.0 } else { 0.0 }));
        }
        let mut asked: Vec<usize> = (0..8).map(|_| tpe.ask().1[0].choice()).collect();
        asked.sort_unstable();
        asked.dedup();
        assert!(asked.len() >= 5, "{asked:?}");
    }

    #[test]
    fn what_was_told_does_not_depend_on_the_order_of_telling() {
        let run = |order: [usize; 4]| {
            let mut tpe = Tpe::new(dimensions(), 9).unwrap_or_else(|it| panic!("{it}"));
            for _ in 0..6 {
                let asked: Vec<_> = (0..4).map(|_| tpe.ask()).collect();
                for at in order {
                    tpe.tell(asked[at].0, Some(value(&asked[at].1)));
                }
            }
            tpe.ask().1
        };
        assert_eq!(run([0, 1, 2, 3]), run([3, 1, 0, 2]));
    }

    #[test]
    fn wrong_dimensions_and_scores_are_told() {
        for (wrong, why) in [
            (Dimension::Choice(0), "dimension 0: there is nothing to choose from"),
            (
                Dimension::Int { low: 2, high: 1 },
                "dimension 0: the ends are the wrong way round",
            ),
            (
                Dimension::Float { low: 0.0, high: 1.0, log: true },
                "dimension 0: no factor leads below 0",
            ),
            (
                Dimension::Float { low: f64::NAN, high: 1.0, log: false },
                "dimension 0: the ends are no numbers",
            ),
        ] {
            assert_eq!(Tpe::new(vec![wrong], 1).err().as_deref(), Some(why));
        }
        let mut tpe = Tpe::new(dimensions(), 1).unwrap_or_else(|it| panic!("{it}"));
        assert!(tpe.add(vec![Setting::Choice(5)], 1.0).is_err());
        // Scores that are no numbers never make a trial a good one.
        for _ in 0..30 {
            let (serial, _) = tpe.ask();
            tpe.tell(serial, Some(f64::NAN));
        }
        tpe.tell(999, Some(1.0));
        assert_eq!(tpe.ask().1.len(), 3);
    }

    #[test]
    fn one_value_is_no_choice() {
        let narrow = vec![
            Dimension::Choice(1),
            Dimension::Int { low: 4, high: 4 },
            Dimension::Float { low: 0.5, high: 0.5, log: false },
        ];
        let mut tpe = Tpe::new(narrow, 1).unwrap_or_else(|it| panic!("{it}"));
        for _ in 0..30 {
            let (serial, point) = tpe.ask();
            assert_eq!(point, [Setting::Choice(0), Setting::Int(4), Setting::Float(0.5)]);
            tpe.tell(serial, Some(1.0));
        }
    }
}
