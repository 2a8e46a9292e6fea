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
    assert!(of("mistral/mistral-large-latest").is_some());
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
