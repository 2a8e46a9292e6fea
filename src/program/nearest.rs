//! Which demos are shown for an input, where a state has more of them than a prompt is to have:
//! those whose inputs share the most telling words with it.
//!
//! Words are weighed by BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25
//! and Beyond", 2009). No model is asked, so that the same input shows the same demos everywhere.

use crate::program::PredictorState;
use crate::schema::{Record, Value};
use std::collections::BTreeMap;

/// How a prompt's demos are picked from those of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nearest {
    /// How many a prompt shows.
    pub k: usize,
}

/// How fast further occurrences of a word lose their weight, and how much the length of a demo
/// counts: the usual values.
const SATURATION: f64 = 1.2;
const LENGTH: f64 = 0.75;

impl PredictorState {
    /// The places of the demos that are shown for these inputs, the nearest last; `None` where all
    /// are. Of demos that are equally near the earlier is shown; so are the first where none shares
    /// a word.
    pub fn shown(&self, inputs: &Record) -> Option<Vec<usize>> {
        let nearest = self.nearest?;
        let mut query: BTreeMap<String, usize> = BTreeMap::new();
        each_word(inputs, &mut |word| {
            let next = query.len();
            if !query.contains_key(word) {
                query.insert(word.to_owned(), next);
            }
        });
        let all: Vec<Counts> =
            self.demos.iter().map(|it| Counts::of(&it.demo.inputs, &query)).collect();
        let scores = scores(&all, query.len());
        let mut order: Vec<usize> = (0..scores.len()).collect();
        // Stable: equal scores stay in the order of the demos.
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        order.truncate(nearest.k);
        order.reverse();
        Some(order)
    }
}

/// How often the words of a query stand in a demo, and how many words it has in all.
struct Counts {
    times: Vec<u32>,
    words: u32,
}

impl Counts {
    fn of(inputs: &Record, query: &BTreeMap<String, usize>) -> Self {
        let mut counts = Self { times: vec![0; query.len()], words: 0 };
        each_word(inputs, &mut |word| {
            counts.words = counts.words.saturating_add(1);
            if let Some(at) = query.get(word) {
                counts.times[*at] = counts.times[*at].saturating_add(1);
            }
        });
        counts
    }
}

/// How near each is to a query of so many words.
#[expect(clippy::cast_precision_loss, reason = "there are far fewer than 2^53 demos")]
fn scores(all: &[Counts], words: usize) -> Vec<f64> {
    let n = all.len() as f64;
    let mean = all.iter().map(|it| f64::from(it.words)).sum::<f64>() / n.max(1.0);
    let rarity = |word: usize| {
        let holders = all.iter().filter(|it| it.times[word] > 0).count() as f64;
        (1.0 + (n - holders + 0.5) / (holders + 0.5)).ln()
    };
    let rarities: Vec<f64> = (0..words).map(rarity).collect();
    let score = |it: &Counts| {
        let long = 1.0 - LENGTH + LENGTH * f64::from(it.words) / mean.max(1.0);
        let weight = |(times, rarity): (&u32, &f64)| {
            let times = f64::from(*times);
            rarity * times * (SATURATION + 1.0) / (times + SATURATION * long)
        };
        it.times.iter().zip(&rarities).map(weight).sum()
    };
    all.iter().map(score).collect()
}

/// Does something with each word of all values, in lower case. Scripts that put no spaces between
/// words give a word for each sign.
fn each_word(inputs: &Record, take: &mut dyn FnMut(&str)) {
    inputs.values().for_each(|it| collect(it, take));
}

fn collect(value: &Value, take: &mut dyn FnMut(&str)) {
    match value {
        Value::Str(text) => split(text, take),
        Value::List(items) => items.iter().for_each(|it| collect(it, take)),
        Value::Map(fields) => fields.values().for_each(|it| collect(it, take)),
        Value::Null | Value::Media(_) => {}
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => take(&value.to_json()),
    }
}

fn split(text: &str, take: &mut dyn FnMut(&str)) {
    let mut word = String::new();
    let mut end = |word: &mut String| {
        if !word.is_empty() {
            take(word);
            word.clear();
        }
    };
    for sign in text.chars() {
        if stands_alone(sign) {
            end(&mut word);
            word.push(sign);
            end(&mut word);
        } else if sign.is_alphanumeric() {
            word.extend(sign.to_lowercase());
        } else {
            end(&mut word);
        }
    }
    end(&mut word);
}

/// Whether a sign is one of Chinese, Japanese or Korean, or of Thai, Lao or Khmer.
fn stands_alone(sign: char) -> bool {
    matches!(sign,
        '\u{0e01}'..='\u{0eff}' | '\u{1780}'..='\u{17ff}' | '\u{3041}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
        && sign.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::StateDemo;
    use crate::schema::Demo;

    fn inputs(text: &str) -> Record {
        Record::from_iter([("q".into(), Value::from(text))])
    }

    fn pool(k: usize, texts: &[&str]) -> PredictorState {
        let demo = |text: &&str| StateDemo {
            demo: Demo { inputs: inputs(text), outputs: Record::new() },
            origin: None,
        };
        let demos = texts.iter().map(demo).collect();
        PredictorState { demos, nearest: Some(Nearest { k }), ..PredictorState::default() }
    }

    fn picked(pool: &PredictorState, text: &str) -> Vec<usize> {
        pool.shown(&inputs(text)).unwrap_or_default()
    }

    #[test]
    fn the_nearest_stand_last_and_rare_words_count_more() {
        let pool = pool(2, &["the red dog", "the cat", "the blue bird", "a Cat and the dog"]);
        assert_eq!(picked(&pool, "The CAT?"), [3, 1]);
        assert_eq!(picked(&pool, "the bird"), [1, 2]);
        // Nothing is shared: the first ones.
        assert_eq!(picked(&pool, "zebra"), [1, 0]);
        assert_eq!(picked(&pool, ""), [1, 0]);
    }

    #[test]
    fn fewer_than_wanted_and_none() {
        assert_eq!(picked(&pool(5, &["one", "two"]), "two"), [0, 1]);
        assert!(picked(&pool(5, &[]), "two").is_empty());
        assert!(picked(&pool(0, &["one"]), "one").is_empty());
        assert_eq!(PredictorState::default().shown(&inputs("two")), None);
    }

    #[test]
    fn words_of_values_and_of_scripts_without_spaces() {
        let list = Value::list([Value::from("Two words"), Value::Int(7), Value::Bool(true)]);
        let mixed =
            Record::from_iter([("a".into(), list), ("b".into(), Value::from("猫がいる"))]);
        let mut words = Vec::new();
        each_word(&mixed, &mut |word| words.push(word.to_owned()));
        assert_eq!(words, ["two", "words", "7", "true", "猫", "が", "い", "る"]);
        assert_eq!(picked(&pool(1, &["犬がいる", "猫がいる"]), "猫"), [1]);
    }
}
