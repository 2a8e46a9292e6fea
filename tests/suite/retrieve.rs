//! Retrieval, alone and on judged collections.
#![cfg(feature = "retrieve")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dsp_lang::eval::Dataset;
use dsp_lang::host::{Host, OsHost};
use dsp_lang::retrieve::Index;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[test]
fn the_best_passage_first_and_ties_in_order() {
    let index = Index::build([
        "The cat sat on the mat.",
        "Dogs bark at night.",
        "Cats and dogs are animals.",
        "Dogs bark at night.",
        "",
    ]);
    assert_eq!(index.len(), 5);
    let found: Vec<usize> =
        index.search("barking DOGS", 10).iter().map(|it| it.index).collect();
    assert_eq!(found, [1, 3, 2]);
    assert_eq!(index.search("dogs", 1).len(), 1);
    assert!(index.search("zebra", 3).is_empty());
    assert!(index.search("", 3).is_empty());
    assert!(index.search("the", 3).is_empty(), "a stop word");
    assert_eq!(&*index.search("mat", 3)[0].text, "The cat sat on the mat.");
    assert!(Index::build(Vec::<String>::new()).search("x", 3).is_empty());
    let again = Index::build(["a b", "b a", "a b"]);
    assert_eq!(again.search("b", 3), Index::build(["a b", "b a", "a b"]).search("b", 3));
}

// The data's README has 0.339 and 0.741 for BM25 without stemming and stop words.

/// Mean nDCG@10 of all judged queries; `None` where the collection is not there.
fn ndcg(name: &str) -> Option<f64> {
    let folder: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    let host = OsHost::new();
    if !host.exists(&folder) {
        return None;
    }
    let load = |file: &str| Dataset::load(&host, &folder.join(file)).unwrap().rows().unwrap();
    let (corpus, queries, qrels) =
        (load("corpus.jsonl"), load("queries.jsonl"), load("qrels.tsv"));
    let text = |row: &dsp_lang::schema::Row, name: &str| row.values[name].to_string();
    let ids: Vec<String> = corpus.iter().map(|row| text(row, "_id")).collect();
    let passages =
        corpus.iter().map(|row| format!("{} {}", text(row, "title"), text(row, "text")));
    let index = Index::build(passages);
    let mut judged: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for row in qrels.iter() {
        let gain: f64 = text(row, "relevance").parse().unwrap();
        let gains = judged.entry(text(row, "query_id")).or_default();
        gains.insert(text(row, "doc_id"), gain);
    }
    let mut scores = Vec::new();
    for row in queries.iter() {
        let Some(gains) = judged.get(&text(row, "_id")) else { continue };
        let found = index.search(&text(row, "text"), 10);
        let gained = found.iter().map(|hit| gains.get(&ids[hit.index]).copied().unwrap_or(0.0));
        let mut ideal: Vec<f64> = gains.values().copied().collect();
        ideal.sort_by(|a, b| b.total_cmp(a));
        scores.push(discounted(gained) / discounted(ideal.into_iter().take(10)));
    }
    Some(dsp_lang::eval::stats::mean(&scores))
}

fn discounted(gains: impl Iterator<Item = f64>) -> f64 {
    gains.zip(2_u32..).map(|(gain, rank)| gain / f64::from(rank).log2()).sum()
}

#[test]
fn cranfield() {
    if let Some(score) = ndcg("retrieval-cranfield") {
        assert!((score - 0.432).abs() < 0.001, "{score}");
    }
}

#[test]
fn hotpotqa() {
    if let Some(score) = ndcg("retrieval-hotpotqa") {
        assert!((score - 0.785).abs() < 0.001, "{score}");
    }
}
