//! Parts of a data set that have nothing in common.
//!
//! Rows that must not be torn apart (equal inputs, and a group of the user's) are one bundle.
//! Large bundles are dealt out first, each to the part that lacks most; single rows then fill
//! the parts to the size asked for. Within a stratum single rows are dealt by running deficits,
//! so that each part gets its share of every label, and the shares of all labels add up.

use crate::data::bundles::{Bundles, Joined};
use crate::data::check::plural;
use crate::data::dataset::small;
use crate::data::profile::hash;
use crate::data::table::Read;
use crate::data::{Dataset, roles};
use crate::diag::{Code, Diagnostic};
use crate::schema::Record;
use crate::util::Random;
use indexmap::{IndexMap, IndexSet};
use std::num::NonZeroU64;
use std::sync::Arc;

/// A split or a check does not fit the rows.
pub(crate) const BAD_SPLIT: Code = Code("E0707");

/// How much of a data set a part of a split gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// This part of the rows, between 0 and 1.
    Fraction(f64),
    /// This many rows.
    Count(usize),
}

/// How rows are split.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SplitOptions {
    /// Where randomness starts.
    pub seed: u64,
    /// The column whose values every part gets its share of.
    pub by: Option<String>,
    /// The column whose values stay in one part each.
    pub group: Option<String>,
    /// The columns that make rows equal; by the usual names of columns when it is left out.
    pub inputs: Vec<String>,
}

impl Dataset {
    /// Splits the rows at random into parts of these sizes, in an order that the seed
    /// decides. Rows with equal inputs go into one part, so that nothing that was trained on
    /// is tested on; a part may therefore be a little larger or smaller than asked for.
    ///
    /// # Errors
    /// Shares that do not fit, columns that are not there, a part without rows, and a file that
    /// cannot be read again.
    pub fn split(
        &self,
        parts: &[(&str, Share)],
        options: &SplitOptions,
    ) -> Read<IndexMap<String, Self>> {
        let sizes = sizes(self.len(), parts).map_err(|message| bad(&message))?;
        let (mut bundles, strata) = bundles(self, options)?;
        Random::new(options.seed, "split").shuffle(&mut bundles.order);
        let mut deal = Deal::new(&sizes, &strata, options.by.is_some());
        deal.large(&bundles);
        deal.single(&bundles, options.seed);
        let mut split = IndexMap::new();
        for (at, (name, share)) in parts.iter().enumerate() {
            let mine = bundles.iter().zip(&deal.part).filter(|(_, part)| **part == small(at));
            let part = self.at(mine.flat_map(|(bundle, _)| bundle).map(|row| *row as usize));
            if part.is_empty() && wants(*share) && !self.is_empty() {
                return Err(empty_part(name, self.len(), bundles.len()));
            }
            split.insert((*name).to_owned(), part);
        }
        Ok(split)
    }
}

pub(super) fn bad(message: &str) -> Box<Diagnostic> {
    Box::new(Diagnostic::bare(BAD_SPLIT, message))
}

fn wants(share: Share) -> bool {
    !matches!(share, Share::Count(0)) && share != Share::Fraction(0.0)
}

fn empty_part(name: &str, rows: usize, bundles: usize) -> Box<Diagnostic> {
    let mut message = format!("`{name}` would have no rows: there are {}", plural(rows, "row"));
    if bundles < rows {
        let stay = plural(bundles, "group");
        message = format!("{message} in {stay} that cannot be torn apart");
    }
    let hint = "give it a larger share, or leave it out";
    Box::new(Diagnostic::bare(BAD_SPLIT, message).hint(hint))
}

/// How many rows each part gets.
fn sizes(rows: usize, parts: &[(&str, Share)]) -> Result<Vec<usize>, String> {
    if parts.is_empty() {
        return Err("a split wants at least one part, such as `train: 0.8`".to_owned());
    }
    let (mut whole, mut taken) = (0.0, 0);
    let mut sizes = Vec::new();
    for (name, share) in parts {
        let size = match share {
            Share::Count(count) => *count,
            Share::Fraction(part) if (0.0..=1.0).contains(part) => {
                // Rounding sums and not parts: the parts of 1.0 are all rows.
                let before = portion(rows, whole);
                whole += part;
                portion(rows, whole) - before
            }
            Share::Fraction(part) => {
                return Err(format!("`{name}`: {part} is not between 0 and 1"));
            }
        };
        taken += size;
        sizes.push(size);
    }
    if whole > 1.0 + 1e-9 {
        return Err(format!("the fractions add up to {whole}"));
    }
    if taken > rows {
        return Err(format!("{taken} rows are wanted, there are {rows}"));
    }
    Ok(sizes)
}

/// A part of `rows`, rounded.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rows are far fewer than 2^52 and the part is not negative"
)]
fn portion(rows: usize, part: f64) -> usize {
    (rows as f64 * part.min(1.0)).round() as usize
}

/// The bundles in order of their first rows, and the stratum of each row.
fn bundles(data: &Dataset, options: &SplitOptions) -> Read<(Bundles, Vec<u32>)> {
    let columns = data.columns();
    let named = |what, name: &Option<String>| match name {
        Some(name) => roles::known(what, name, &columns),
        None => Ok(()),
    };
    let check = named("by", &options.by).and_then(|()| named("group", &options.group));
    let inputs = options.inputs.iter().try_for_each(|it| roles::known("inputs", it, &columns));
    check.and(inputs).map_err(|message| bad(&message))?;
    let except: Vec<&str> =
        [&options.by, &options.group].into_iter().flatten().map(String::as_str).collect();
    let inputs: Vec<Arc<str>> = match &options.inputs[..] {
        [] => roles::inputs(&columns, &except),
        names => names.iter().map(|it| Arc::from(it.as_str())).collect(),
    };
    // Room for all at once: growing would take twice as much for a while.
    let mut same = Vec::with_capacity(data.len());
    let (mut groups, mut strata) = (Vec::new(), Vec::with_capacity(data.len()));
    let mut labels = IndexSet::new();
    let value = |values: &Record, name: &Option<String>| {
        name.as_ref().and_then(|it| values.get(it.as_str())).cloned()
    };
    for row in data.iter() {
        let values = &row?.values;
        same.push(NonZeroU64::new(roles::hash(values, &inputs) | 1));
        if options.group.is_some() {
            let group = value(values, &options.group).filter(|it| !it.is_null());
            groups.push(group.and_then(|it| NonZeroU64::new(hash(&it.to_json()) | 1)));
        }
        let label = value(values, &options.by).map_or(String::new(), |it| it.to_string());
        strata.push(small(labels.insert_full(label).0));
    }
    let mut joined = Joined::new(data.len());
    joined.join_equal(&same);
    drop(same);
    joined.join_equal(&groups);
    Ok((joined.bundles(), strata))
}

/// Stands for no part.
const NOWHERE: u32 = u32::MAX;

/// Bundles on their way to parts.
struct Deal<'a> {
    /// The stratum of each row.
    strata: &'a [u32],
    /// Whether parts get their share of each stratum.
    stratified: bool,
    /// The share of each part, of all rows.
    shares: Vec<f64>,
    /// How many rows each part still takes.
    room: Vec<usize>,
    /// How many rows of each stratum each part still wants.
    wanted: Vec<Vec<f64>>,
    /// The part of each bundle; [`NOWHERE`] as long as it has none.
    part: Vec<u32>,
}

#[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^52")]
impl<'a> Deal<'a> {
    /// The last part is what nobody asked for.
    fn new(sizes: &[usize], strata: &'a [u32], stratified: bool) -> Self {
        let rows = strata.len();
        let rest = rows - sizes.iter().sum::<usize>();
        let room: Vec<usize> = sizes.iter().copied().chain([rest]).collect();
        let shares: Vec<f64> = room.iter().map(|it| *it as f64 / rows.max(1) as f64).collect();
        let mut counts = vec![0usize; strata.iter().max().map_or(0, |it| *it as usize + 1)];
        strata.iter().for_each(|it| counts[*it as usize] += 1);
        let wanted =
            shares.iter().map(|share| counts.iter().map(|it| share * *it as f64).collect());
        Self { strata, stratified, wanted: wanted.collect(), shares, room, part: Vec::new() }
    }

    fn stratum_of(&self, row: u32) -> usize {
        self.strata[row as usize] as usize
    }

    fn give(&mut self, bundle: &[u32], part: usize) {
        self.room[part] = self.room[part].saturating_sub(bundle.len());
        for row in bundle {
            let stratum = self.stratum_of(*row);
            self.wanted[part][stratum] -= 1.0;
        }
    }

    /// Deals bundles of several rows: the largest first, each to the part that lacks most of
    /// what is in it, among those with room for it, else to the one with most room.
    fn large(&mut self, bundles: &Bundles) {
        self.part = vec![NOWHERE; bundles.len()];
        let mut order: Vec<usize> =
            (0..bundles.len()).filter(|at| bundles.get(*at).len() > 1).collect();
        order.sort_by_key(|at| std::cmp::Reverse(bundles.get(*at).len()));
        for at in order {
            let bundle = bundles.get(at);
            let parts = || (0..self.room.len()).filter(|part| self.shares[*part] > 0.0);
            let lack = |part: usize| match self.stratified {
                true => bundle.iter().map(|row| self.wanted[part][self.stratum_of(*row)]).sum(),
                false => self.room[part] as f64,
            };
            let best = |parts: &mut dyn Iterator<Item = usize>,
                        score: &dyn Fn(usize) -> f64| {
                parts.map(|part| (part, score(part))).fold(None, |best, it| match best {
                    Some((_, most)) if most >= it.1 => best,
                    _ => Some(it),
                })
            };
            let fits = |part: &usize| self.room[*part] >= bundle.len();
            let part = best(&mut parts().filter(fits), &lack)
                .or_else(|| best(&mut parts(), &|part| self.room[part] as f64));
            let Some((part, _)) = part else { continue };
            self.give(bundle, part);
            self.part[at] = small(part);
        }
    }

    /// Deals single rows.
    fn single(&mut self, bundles: &Bundles, seed: u64) {
        let single = (0..bundles.len()).filter(|at| bundles.get(*at).len() == 1);
        if !self.stratified {
            for at in single {
                let Some(part) = (0..self.room.len()).find(|it| self.room[*it] > 0) else {
                    break;
                };
                self.part[at] = small(part);
                self.give(bundles.get(at), part);
            }
            return;
        }
        let mut strata: IndexMap<usize, Vec<u32>> = IndexMap::new();
        for at in single {
            let stratum = self.stratum_of(bundles.get(at)[0]);
            strata.entry(stratum).or_default().push(small(at));
        }
        // The order of strata decides which of them the odd rows come from.
        let mut order: Vec<usize> = strata.keys().copied().collect();
        order.sort_unstable();
        Random::new(seed, "strata").shuffle(&mut order);
        let mut owed = vec![0.0; self.room.len()];
        for stratum in order {
            self.stratum(bundles, stratum, &strata[&stratum], &mut owed);
        }
    }

    /// Deals the single rows of a stratum; what parts are owed is carried to the next.
    fn stratum(&mut self, bundles: &Bundles, stratum: usize, rows: &[u32], owed: &mut [f64]) {
        let wanted: Vec<f64> = self.wanted.iter().map(|it| it[stratum].max(0.0)).collect();
        let all: f64 = wanted.iter().sum();
        for at in rows {
            for (owed, wanted) in owed.iter_mut().zip(&wanted) {
                *owed += if all > 0.0 { wanted / all } else { 0.0 };
            }
            let open = (0..owed.len()).filter(|part| self.room[*part] > 0);
            let most = open.fold(None, |best: Option<usize>, part| match best {
                Some(best) if owed[best] >= owed[part] - 1e-9 => Some(best),
                _ => Some(part),
            });
            let Some(part) = most else { continue };
            owed[part] -= 1.0;
            self.part[*at as usize] = small(part);
            self.give(bundles.get(*at as usize), part);
        }
    }
}
