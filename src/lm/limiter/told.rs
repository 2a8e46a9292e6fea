//! What servers tell of their limits in headers.

use crate::lm::retry::{http_date, retry_after};
use std::time::Duration;

/// How long we stay away where nobody says anything.
const BACKOFF: Duration = Duration::from_millis(500);

/// One limit, as far as an answer tells it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Level {
    /// All of it.
    pub limit: Option<f64>,
    /// What is left.
    pub remaining: Option<f64>,
    /// When it is there again, from now on.
    pub reset: Option<Duration>,
}

/// What an answer tells.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Told {
    /// The limit of requests.
    pub requests: Option<Level>,
    /// That of tokens.
    pub tokens: Option<Level>,
    /// Whether there was an answer.
    pub answered: bool,
    /// Whether it is that we are too fast.
    pub refused: bool,
    /// How long we are asked to stay away.
    pub asked: Option<Duration>,
    /// How long we stay away where we are not.
    pub backoff: Duration,
}

/// Whether a header of this name, in lower case, may tell of limits.
pub fn is_of_limits(name: &str) -> bool {
    name.contains("ratelimit") || name.starts_with("retry-after")
}

/// Reads the headers of an answer, which `header` gives by their names in lower case; `body`
/// is what a refusal says.
pub fn told<'a>(status: u16, header: &dyn Fn(&str) -> Option<&'a str>, body: &[u8]) -> Told {
    let refused = status == 429;
    let levels = Levels { header, date: header("date").and_then(http_date) };
    Told {
        requests: levels
            .find(&[
                (
                    "x-ratelimit-limit-requests",
                    "x-ratelimit-remaining-requests",
                    "x-ratelimit-reset-requests",
                ),
                (
                    "anthropic-ratelimit-requests-limit",
                    "anthropic-ratelimit-requests-remaining",
                    "anthropic-ratelimit-requests-reset",
                ),
                ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"),
                ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
            ])
            .or_else(|| levels.in_one()),
        tokens: levels.find(&[
            (
                "x-ratelimit-limit-tokens",
                "x-ratelimit-remaining-tokens",
                "x-ratelimit-reset-tokens",
            ),
            (
                "anthropic-ratelimit-tokens-limit",
                "anthropic-ratelimit-tokens-remaining",
                "anthropic-ratelimit-tokens-reset",
            ),
            (
                "anthropic-ratelimit-input-tokens-limit",
                "anthropic-ratelimit-input-tokens-remaining",
                "anthropic-ratelimit-input-tokens-reset",
            ),
        ]),
        answered: true,
        refused,
        asked: asked(header, if refused { body } else { &[] }),
        backoff: BACKOFF,
    }
}

/// How long a server asks us to stay away: in one of several headers, or in the body.
pub fn asked<'a>(header: &dyn Fn(&str) -> Option<&'a str>, body: &[u8]) -> Option<Duration> {
    let finer = header("retry-after-ms").and_then(|it| it.trim().parse::<f64>().ok());
    finer
        .and_then(|it| Duration::try_from_secs_f64(it / 1000.0).ok())
        .or_else(|| retry_after(header("retry-after")?, header("date")))
        .or_else(|| in_words(std::str::from_utf8(body).ok()?))
}

/// `Please try again in 1.2s`, `"retryDelay": "34s"`.
fn in_words(body: &str) -> Option<Duration> {
    const LEADS: [&str; 3] = ["try again in ", "retry in ", "\"retryDelay\": \""];
    let text: String = body.chars().take(8192).collect();
    let at = LEADS.iter().find_map(|it| Some(text.find(it)? + it.len()));
    let at = at.or_else(|| Some(text.find("\"retryDelay\":\"")? + 14))?;
    let word: String =
        text[at..].chars().take_while(|it| it.is_ascii_alphanumeric() || *it == '.').collect();
    // A sentence ends with a dot, too.
    span(word.trim_end_matches('.')).filter(|_| word.ends_with(['s', '.']))
}

struct Levels<'a, 'h> {
    header: &'h dyn Fn(&str) -> Option<&'a str>,
    /// The server's clock: seconds since 1970.
    date: Option<u64>,
}

impl Levels<'_, '_> {
    /// The first of these triples of headers that tells something.
    fn find(&self, names: &[(&str, &str, &str)]) -> Option<Level> {
        names.iter().find_map(|(limit, remaining, reset)| {
            let number = |name: &str| amount((self.header)(name)?);
            let remaining = number(remaining)?;
            let reset = (self.header)(reset).and_then(|it| self.until(it));
            Some(Level { limit: number(limit), remaining: Some(remaining), reset })
        })
    }

    /// `ratelimit: limit=100, remaining=50, reset=30`, `ratelimit: "default";r=50;t=30` with
    /// `ratelimit-policy: "default";q=100;w=60`.
    fn in_one(&self) -> Option<Level> {
        let text = (self.header)("ratelimit")?;
        let policy = (self.header)("ratelimit-policy").unwrap_or_default();
        let remaining = part(text, &["remaining", "r"]).and_then(amount)?;
        let reset = part(text, &["reset", "t"]).and_then(|it| self.until(it));
        let limit = part(text, &["limit"]).or_else(|| part(policy, &["q"])).and_then(amount);
        Some(Level { limit, remaining: Some(remaining), reset })
    }

    /// A time: seconds, `6m0s`, seconds or milliseconds since 1970, a date.
    fn until(&self, text: &str) -> Option<Duration> {
        let text = text.trim();
        if let Ok(number) = text.parse::<f64>() {
            let number = if number > 1e11 { number / 1000.0 } else { number };
            if number < 1e9 {
                return Duration::try_from_secs_f64(number).ok();
            }
            return Duration::try_from_secs_f64((number - self.date? as f64).max(0.0)).ok();
        }
        span(text).or_else(|| {
            let until = rfc3339(text).or_else(|| http_date(text))?;
            Some(Duration::from_secs(until.saturating_sub(self.date?)))
        })
    }
}

/// The value behind one of these names in `name=value` pairs.
fn part<'a>(text: &'a str, names: &[&str]) -> Option<&'a str> {
    text.split([',', ';']).find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        names.contains(&name.trim()).then_some(value.trim())
    })
}

fn amount(text: &str) -> Option<f64> {
    // Some tell the policy behind it: `100, 100;w=60`.
    let first = text.split([',', ';']).next()?.trim();
    first.parse::<f64>().ok().filter(|it| it.is_finite() && *it >= 0.0)
}

/// `6m0s`, `1.5s`, `20ms`, `1h2m3s`.
fn span(text: &str) -> Option<Duration> {
    let (mut rest, mut sum) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit() && it != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|it: char| it.is_ascii_digit()).unwrap_or(rest.len());
        sum += number
            * match &rest[..unit] {
                "ms" => 0.001,
                "us" | "µs" => 1e-6,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(sum).ok()).flatten()
}

/// Seconds since 1970 of `2026-11-23T12:00:00Z`, as servers write the ends of windows.
fn rfc3339(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (day, time) =
        text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00"))?.split_once('T')?;
    let mut date = day.split('-');
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    let month = MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?)?;
    let time = time.split('.').next()?;
    http_date(&format!("Any, {day} {month} {year} {time} GMT"))
}

#[cfg(test)]
mod tests {
    use super::{Level, Told, told};
    use std::time::Duration;

    fn read(status: u16, headers: &[(&str, &str)], body: &str) -> Told {
        let find = |name: &str| headers.iter().find(|it| it.0 == name).map(|it| it.1);
        told(status, &find, body.as_bytes())
    }

    fn level(limit: f64, remaining: f64, reset: u64) -> Option<Level> {
        let reset = Some(Duration::from_millis(reset));
        Some(Level { limit: Some(limit), remaining: Some(remaining), reset })
    }

    #[test]
    fn limits_are_told_in_many_ways() {
        let openai = [
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-reset-requests", "1m0.5s"),
            ("x-ratelimit-limit-tokens", "150000"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-tokens", "6ms"),
        ];
        let all = read(200, &openai, "");
        assert_eq!(all.requests, level(60.0, 59.0, 60_500));
        assert_eq!(all.tokens, level(150_000.0, 149_984.0, 6));
        let anthropic = [
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2026-11-23T12:00:30Z"),
            ("date", "Mon, 23 Nov 2026 12:00:00 GMT"),
        ];
        assert_eq!(read(429, &anthropic, "").requests, level(50.0, 0.0, 30_000));
        let one = [("ratelimit", "limit=100, remaining=50, reset=30")];
        assert_eq!(read(200, &one, "").requests, level(100.0, 50.0, 30_000));
        let newer = [
            ("ratelimit", "\"default\";r=50;t=30"),
            ("ratelimit-policy", "\"default\";q=100;w=60"),
        ];
        assert_eq!(read(200, &newer, "").requests, level(100.0, 50.0, 30_000));
        let epoch = [
            ("x-ratelimit-limit", "10"),
            ("x-ratelimit-remaining", "3"),
            ("x-ratelimit-reset", "1795435205000"),
            ("date", "Mon, 23 Nov 2026 12:00:00 GMT"),
        ];
        assert_eq!(read(200, &epoch, "").requests, level(10.0, 3.0, 5_000));
    }

    #[test]
    fn waits_are_told_in_headers_and_bodies() {
        let asked = |headers: &[(&str, &str)], body: &str| {
            read(429, headers, body).asked.map(|it| it.as_secs_f64())
        };
        assert_eq!(asked(&[("retry-after", "7")], ""), Some(7.0));
        assert_eq!(asked(&[("retry-after-ms", "250"), ("retry-after", "1")], ""), Some(0.25));
        let words = "Limit 60 / min. Please try again in 1.2s. Visit the page.";
        assert_eq!(asked(&[], words), Some(1.2));
        assert_eq!(asked(&[], "Please try again in 6m0s."), Some(360.0));
        assert_eq!(asked(&[], r#"{"retryDelay": "34s"}"#), Some(34.0));
        assert_eq!(asked(&[], "try again in a while"), None);
        assert_eq!(asked(&[], ""), None);
    }

    #[test]
    fn nonsense_tells_nothing() {
        for (name, value) in [
            ("x-ratelimit-remaining-requests", "-1"),
            ("x-ratelimit-remaining-requests", "many"),
            ("ratelimit", "remaining"),
            ("retry-after", "soon"),
        ] {
            let all = read(200, &[(name, value)], "");
            assert_eq!((all.requests, all.asked), (None, None), "{name}: {value}");
        }
    }
}
