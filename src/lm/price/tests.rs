use super::{Money, Price, Prices, date, table};
use crate::lm::Usage;

fn usage(prompt: u64, cached: u64, written: u64) -> Usage {
    Usage {
        prompt_tokens: Some(prompt),
        completion_tokens: Some(written),
        cached_tokens: Some(cached),
        ..Usage::default()
    }
}

#[test]
fn the_table_is_read_and_exact() {
    assert!(table().len() > 40 && date().len() == 7);
    let prices = Prices::default();
    let of = |name: &str| prices.of(name, true);
    let mini = of("openai/gpt-4o-mini").unwrap();
    // 1000 × 0.15 + 1000 × 0.075 + 500 × 0.60 dollars for a million.
    assert_eq!(mini.of(&usage(2000, 1000, 500)), Some(Money::usd(0.000_525)));
    assert_eq!(of("openai/gpt-4o-mini-2024-07-18"), Some(mini));
    assert_eq!(of("anthropic/claude-sonnet-4-20250514"), of("anthropic/claude-sonnet-4"));
    assert_eq!(of("anthropic/claude-3-5-haiku-latest"), of("anthropic/claude-3-5-haiku"));
    assert!(of("mistral/mistral-medium-latest").is_some());
    assert_eq!((of("openai/gpt-9"), prices.of("openai/gpt-4o", false)), (None, None));
    assert_eq!(mini.of(&Usage::default()), None);
    for (name, price) in table() {
        assert!(
            price.rates.input > Money::ZERO && price.rates.cached <= price.rates.input,
            "{name}"
        );
        assert!(price.at_most(10, 10) >= price.of(&usage(10, 0, 10)).unwrap(), "{name}");
    }
}

#[test]
fn every_entry_says_when_and_where_from() {
    let text = include_str!("../prices.json");
    let table: serde_json::Value = serde_json::from_str(text).unwrap();
    let is_month = |it: &serde_json::Value| {
        let text = it.as_str().unwrap_or_default();
        text.len() == 7 && ("2025-01".."2100-01").contains(&text)
    };
    assert!(is_month(&table["date"]));
    let (known, of_long) = (["input", "cached", "cache_write", "output"], "above");
    for (provider, it) in table["providers"].as_object().unwrap() {
        assert!(is_month(&it["date"]), "{provider}");
        assert!(table["date"].as_str() >= it["date"].as_str(), "{provider}");
        let sources = it["sources"].as_array().unwrap();
        let is_address = |it: &serde_json::Value| it.as_str().unwrap().starts_with("https://");
        assert!(!sources.is_empty() && sources.iter().all(is_address), "{provider}");
        for (model, price) in it["models"].as_object().unwrap() {
            let long = price.get("long");
            for part in [Some(price), long].into_iter().flatten() {
                let odd = part.as_object().unwrap().iter().find(|(name, value)| {
                    let is_price = known.contains(&name.as_str()) || *name == of_long;
                    let least = if *name == "output" { -0.5 } else { 0.0 };
                    !(is_price && value.as_f64() > Some(least)) && *name != "long"
                });
                assert_eq!(odd, None, "{provider}/{model}");
            }
            let dearer =
                |name: &str| long.is_none_or(|it| it[name].as_f64() > price[name].as_f64());
            assert!(dearer("input") && dearer("output"), "{provider}/{model}");
        }
    }
}

#[test]
fn what_is_put_into_a_cache_has_its_price() {
    let sonnet = Prices::default().of("anthropic/claude-sonnet-4-6", true).unwrap();
    let told = Usage { cache_write_tokens: Some(300_000), ..usage(1_000_000, 600_000, 0) };
    // 100k × 3 + 600k × 0.30 + 300k × 3.75 dollars for a million.
    assert_eq!(sonnet.of(&told), Some(Money::usd(0.3 + 0.18 + 1.125)));
    assert!(sonnet.at_most(1_000_000, 0) >= Money::usd(3.75));
    // More than was read is never counted.
    let odd = Usage { cache_write_tokens: Some(9), ..usage(10, 8, 0) };
    assert!(sonnet.of(&odd) <= Some(sonnet.at_most(10, 0)));
    // Where nothing is said it costs what is read.
    let own = Price::per_million(1.0, None, 2.0);
    let told = Usage { cache_write_tokens: Some(500_000), ..usage(1_000_000, 0, 0) };
    assert_eq!(own.of(&told), Some(Money::usd(1.0)));
    let own = own.with_cache_write(Some(3.0));
    assert_eq!(own.of(&told), Some(Money::usd(2.0)));
}

#[test]
fn thoughts_are_part_of_what_is_written() {
    let mini = Prices::default().of("openai/o4-mini", true).unwrap();
    let told = Usage { reasoning_tokens: Some(900), ..usage(0, 0, 1000) };
    assert_eq!(mini.of(&told), mini.of(&usage(0, 0, 1000)));
}

#[test]
fn long_prompts_cost_more() {
    let pro = Prices::default().of("gemini/gemini-2.5-pro", true).unwrap();
    assert_eq!(pro.of(&usage(200_000, 0, 0)), Some(Money::usd(0.25)));
    assert_eq!(pro.of(&usage(400_000, 0, 0)), Some(Money::usd(1.0)));
    assert!(pro.at_most(400_000, 0) >= Money::usd(1.0));
}

#[test]
fn the_user_says_prices_for_any_server() {
    let own = Price::per_million(1.0, None, 2.0);
    let prices = Prices::with([("office/m".to_owned(), own)]);
    assert_eq!(prices.of("office/m", false), Some(own));
    assert_eq!(own.of(&usage(1_000_000, 500_000, 1_000_000)), Some(Money::usd(3.0)));
}

#[test]
fn sums_read_well() {
    let shown =
        [0.0, 1e-9, 0.000_525, 0.0421, 0.5, 12.345].map(|it| Money::usd(it).to_string());
    let expected = ["$0", "less than $0.000001", "$0.000525", "$0.0421", "$0.5000", "$12.35"];
    // 12.345 has no exact form.
    assert!(shown[..5] == expected[..5] && shown[5].starts_with("$12.3"), "{shown:?}");
}
