//! Which of several arms to try next, or to drop: UCB1, top-two Thompson sampling, successive
//! rejects.

use crate::sampling::{ceil, float, normal};
use crate::util::Random;

/// What an arm gave so far: scores from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Arm {
    /// How often it was tried.
    pub tries: usize,
    /// The sum of its scores.
    pub sum: f64,
}

impl Arm {
    /// Takes a score.
    pub fn push(&mut self, score: f64) {
        self.tries += 1;
        self.sum += score.clamp(0.0, 1.0);
    }

    /// The mean score; 0 before the first.
    pub fn mean(&self) -> f64 {
        self.sum / float(self.tries.max(1))
    }
}

/// The index of the highest number; of equal ones the first.
fn highest(numbers: impl Iterator<Item = f64>) -> Option<usize> {
    let better = |best: Option<(usize, f64)>, (at, it): (usize, f64)| match best {
        Some((_, most)) if most >= it => best,
        _ => Some((at, it)),
    };
    numbers.enumerate().fold(None, better).map(|it| it.0)
}

/// Upper confidence bounds: Auer, Cesa-Bianchi and Fischer, "Finite-time Analysis of the
/// Multiarmed Bandit Problem" (2002). For searches that want good scores while they learn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ucb {
    /// How much an arm that was tried little is trusted; the paper's is √2.
    pub trust: f64,
}

impl Default for Ucb {
    fn default() -> Self {
        Self { trust: std::f64::consts::SQRT_2 }
    }
}

impl Ucb {
    /// The arm to try next: one that was never tried, else the one with the highest bound.
    pub fn next(&self, arms: &[Arm]) -> Option<usize> {
        let all: usize = arms.iter().map(|it| it.tries).sum();
        let log = float(all.max(1)).ln();
        let bound = |arm: &Arm| match arm.tries {
            0 => f64::INFINITY,
            tries => arm.mean() + self.trust * (log / float(tries)).sqrt(),
        };
        highest(arms.iter().map(bound))
    }
}

/// Top-two Thompson sampling: Russo, "Simple Bayesian Algorithms for Best Arm Identification"
/// (2016). For searches that want to know which arm is best. Scores are taken as shares of
/// successes; each arm's mean has a beta distribution.
#[derive(Debug, Clone)]
pub struct Top2 {
    random: Random,
    /// How often the likely best arm itself is tried.
    best: f64,
}

impl Top2 {
    /// Returns a sampler with this stream of random numbers.
    pub fn new(random: Random) -> Self {
        Self { random, best: 0.5 }
    }

    /// The arm to try next: half of the time one drawn as the best, else one that was drawn as
    /// the best instead of it.
    pub fn next(&mut self, arms: &[Arm]) -> Option<usize> {
        /// Where the others hardly ever win, no longer is waited for one to.
        const DRAWS: usize = 100;
        let first = self.draw(arms)?;
        if arms.len() < 2 || self.random.unit() < self.best {
            return Some(first);
        }
        let other = (0..DRAWS).find_map(|_| self.draw(arms).filter(|it| *it != first));
        let rest = |at: usize| if at == first { f64::NEG_INFINITY } else { arms[at].mean() };
        other.or_else(|| highest((0..arms.len()).map(rest)))
    }

    fn draw(&mut self, arms: &[Arm]) -> Option<usize> {
        let random = &mut self.random;
        highest(arms.iter().map(|arm| {
            normal::draw_beta(random, 1.0 + arm.sum, 1.0 + float(arm.tries) - arm.sum)
        }))
    }
}

/// Successive rejects: Audibert, Bubeck and Munos, "Best Arm Identification in Multi-Armed
/// Bandits" (2010). For a fixed number of tries: after each phase the worst arm is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejects {
    /// How often each arm that is left has been tried at the end of each phase.
    tries: Vec<usize>,
}

impl Rejects {
    /// Plans for so many arms and tries in all.
    pub fn new(arms: usize, tries: usize) -> Self {
        let weight = 0.5 + (2..=arms).map(|at| 1.0 / float(at)).sum::<f64>();
        let spare = float(tries.saturating_sub(arms));
        let phase = |at: usize| ceil(spare / (weight * float(arms + 1 - at)));
        Self { tries: (1..arms).map(phase).collect() }
    }

    /// How often each arm that is left has been tried at the end of each phase; one phase
    /// fewer than there are arms.
    pub fn tries(&self) -> &[usize] {
        &self.tries
    }

    /// The worst of the arms, which goes; of equal ones the last.
    pub fn worst(arms: &[Arm]) -> Option<usize> {
        let last = highest(arms.iter().rev().map(|it| -it.mean()))?;
        Some(arms.len() - 1 - last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEANS: [f64; 5] = [0.5, 0.55, 0.75, 0.4, 0.6];

    fn pull(random: &mut Random, arm: usize) -> f64 {
        if random.unit() < MEANS[arm] { 1.0 } else { 0.0 }
    }

    /// How often the best arm is found with so many tries.
    fn found(tries: usize, find: impl Fn(&mut Random, u64, usize) -> usize) -> f64 {
        let hit = |seed: u64| find(&mut Random::new(seed, "pulls"), seed, tries) == 2;
        float((0..200).filter(|seed| hit(*seed)).count()) / 200.0
    }

    fn best(arms: &[Arm]) -> usize {
        highest(arms.iter().map(Arm::mean)).unwrap_or_default()
    }

    #[test]
    fn what_is_best_is_found_more_often_than_by_even_tries() {
        let even = found(200, |random, _, tries| {
            let mut arms = [Arm::default(); 5];
            (0..tries).for_each(|at| arms[at % 5].push(pull(random, at % 5)));
            best(&arms)
        });
        let top2 = found(200, |random, seed, tries| {
            let (mut arms, mut next) = ([Arm::default(); 5], Top2::new(Random::new(seed, "t")));
            for _ in 0..tries {
                let at = next.next(&arms).unwrap_or_default();
                arms[at].push(pull(random, at));
            }
            best(&arms)
        });
        let rejects = found(200, |random, _, tries| {
            let (mut arms, mut left) = ([Arm::default(); 5], vec![0, 1, 2, 3, 4]);
            for most in Rejects::new(5, tries).tries() {
                for at in &left {
                    (arms[*at].tries..*most).for_each(|_| arms[*at].push(pull(random, *at)));
                }
                let of_left: Vec<Arm> = left.iter().map(|at| arms[*at]).collect();
                left.remove(Rejects::worst(&of_left).unwrap_or_default());
            }
            left[0]
        });
        assert!(top2 > even + 0.02 && top2 > 0.85, "top two {top2}, even {even}");
        assert!(rejects > even && rejects > 0.85, "rejects {rejects}, even {even}");
    }

    #[test]
    fn ucb_settles_on_the_best_arm() {
        let (mut arms, mut random) = ([Arm::default(); 5], Random::new(1, "pulls"));
        for _ in 0..3000 {
            let at = Ucb { trust: 0.7 }.next(&arms).unwrap_or_default();
            arms[at].push(pull(&mut random, at));
        }
        assert!(arms.iter().all(|it| it.tries > 0));
        assert!(arms[2].tries > 1500, "{arms:?}");
        assert_eq!(Ucb::default().next(&[]), None);
    }

    #[test]
    fn rejects_take_no_more_than_planned() {
        for (arms, tries) in [(2, 10), (5, 100), (16, 160), (3, 3), (1, 9), (4, 2)] {
            let plan = Rejects::new(arms, tries);
            assert_eq!(plan.tries().len(), arms - 1);
            let (mut all, mut before) = (0, 0);
            for (phase, most) in plan.tries().iter().enumerate() {
                all += (arms - phase) * (most - before);
                before = *most;
            }
            assert!(all <= tries.max(arms), "{arms} arms, {tries} tries: {all}");
        }
    }

    #[test]
    fn one_arm_is_the_arm_to_try() {
        let mut next = Top2::new(Random::new(1, "t"));
        assert_eq!(next.next(&[Arm::default()]), Some(0));
        assert_eq!(next.next(&[]), None);
    }
}
