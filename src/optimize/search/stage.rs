//! Policies inside of others.

use crate::eval::Stop;
use crate::optimize::search::Earlier;
use crate::optimize::{Policy, Search};

impl Search<'_> {
    /// Has another policy search from the best state so far. It sees a search of its own, with the
    /// same rows and caps; what it proposes stands behind what was proposed before. A proposal that
    /// it left unscored is scored.
    ///
    /// # Errors
    /// Why the search stopped it. What it found until then counts.
    pub(crate) fn stage(&mut self, name: &str, policy: &dyn Policy) -> Result<(), Stop> {
        let told = self.begin_stage(name);
        let earlier = std::mem::take(&mut self.candidates);
        let preferred = self.preferred.take();
        self.stages += 1;
        let mut ended = policy.search(self);
        if ended.is_ok() && !policy.needs_valset() {
            ended = self.score_last();
        }
        let chosen = self.preferred.take().or_else(|| self.best());
        let shift = earlier.last().map_or(0, |it| it.serial + 1);
        let first = earlier.len();
        let own = std::mem::replace(&mut self.candidates, earlier);
        for mut candidate in own {
            candidate.serial += shift;
            candidate.label = format!("{name}: {}", candidate.label);
            self.candidates.push(candidate);
        }
        self.earlier = told;
        let before = preferred.or_else(|| super::best(&self.candidates[..first]));
        let better = chosen.map(|at| at + first).filter(|at| match before {
            Some(before) => self.candidates[*at].beats(&self.candidates[before]),
            None => true,
        });
        self.preferred = better.or(before);
        if let Some(at) = self.preferred {
            self.from = self.candidates[at].state.clone();
        }
        ended
    }

    /// Has those who watch told of all candidates so far; what they were told before.
    fn begin_stage(&mut self, name: &str) -> Earlier {
        let Earlier { stage, places, scored, .. } = &self.earlier;
        let own = self.candidates.last().map_or(0, |it| it.serial + 1);
        let now = Earlier {
            stage: format!("{stage}{name}: "),
            places: places + own,
            scored: scored + self.scored(),
            best: self.best_of_all(),
        };
        std::mem::replace(&mut self.earlier, now)
    }

    /// Scores what was proposed last.
    fn score_last(&mut self) -> Result<(), Stop> {
        let Some(last) = self.candidates.pop() else { return Ok(()) };
        let serial = last.serial;
        let state = (*last.state).clone();
        self.step("score", vec![(serial, last.label, state)], &[]).map(|_| ())
    }
}
