//! Numbers as people and models write them.
//!
//! A number is taken where only one can be meant. Two numbers, a bound (`at least 5`) or a
//! percentage without a scale are refused: picking would be guessing.

use crate::adapt::read::plain::{is_negated, undecorated, unlabelled};
use std::borrow::Cow;

/// A number that was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Num {
    Int(i64),
    Float(f64),
}

impl Num {
    /// The integer, where it is one: `5.0` is.
    #[expect(clippy::cast_possible_truncation, reason = "only whole numbers in range are cast")]
    pub(super) fn as_int(self) -> Option<i64> {
        match self {
            Self::Int(it) => Some(it),
            Self::Float(it) if it.fract() == 0.0 && it.abs() < 9e15 => Some(it as i64),
            Self::Float(_) => None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "the nearest float is what is meant")]
    pub(super) fn as_float(self) -> f64 {
        match self {
            Self::Int(it) => it as f64,
            Self::Float(it) => it,
        }
    }

    fn times(self, factor: f64) -> Self {
        let product = Self::Float(self.as_float() * factor);
        product.as_int().map_or(product, Self::Int)
    }
}

/// How much had to be forgiven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Spelling {
    /// JSON would take it.
    Plain,
    /// Another spelling: separators, words, units, markup.
    Spelled,
    /// A fraction of one hundred: what one is depends on the field.
    Percent,
    /// It was picked out of prose in which it is the only one.
    Prose,
}

/// The number that `text` states.
pub(super) fn read(text: &str, name: &str) -> Option<(Num, Spelling)> {
    let text = text.trim();
    if let Some((num, plain)) = numeral(text) {
        return Some((num, if plain { Spelling::Plain } else { Spelling::Spelled }));
    }
    let (bare, layers) = undecorated(text, name);
    if layers > 0
        && let Some((num, _)) = numeral(bare)
    {
        return Some((num, Spelling::Spelled));
    }
    spelled(bare)
        .or_else(|| boxed(text))
        .or_else(|| by_line(text, name))
        .or_else(|| prose(bare))
}

/// A whole text that is a number in another form.
fn spelled(text: &str) -> Option<(Num, Spelling)> {
    if text.contains('\n') {
        return None;
    }
    let spelled = |num| (num, Spelling::Spelled);
    fraction(text).or_else(|| in_words(text)).map(spelled).or_else(|| with_unit(text))
}

fn fraction(text: &str) -> Option<Num> {
    let (over, under) = text.split_once('/')?;
    let (over, under) =
        (numeral(over.trim())?.0.as_float(), numeral(under.trim())?.0.as_float());
    (under != 0.0).then(|| Num::Float(over / under))
}

/// `\boxed{5}` in the middle of a solution.
fn boxed(text: &str) -> Option<(Num, Spelling)> {
    let (_, rest) = text.split_once("\\boxed{")?;
    let (inner, rest) = rest.split_once('}')?;
    if rest.contains("\\boxed{") {
        return None;
    }
    numeral(inner.trim()).map(|(num, _)| (num, Spelling::Prose))
}

/// A line that is nothing but the number, or has a label before it, with prose around.
fn by_line(text: &str, name: &str) -> Option<(Num, Spelling)> {
    if !text.contains('\n') {
        return None;
    }
    let mut found: Option<(Num, bool)> = None;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let trimmed = line.trim().trim_matches(['*', '_', '#', ' ']);
        let labelled = unlabelled(trimmed, name).is_some();
        let (bare, _) = undecorated(line, name);
        let number = numeral(bare).map(|it| it.0).or_else(|| with_unit(bare).map(|it| it.0));
        let Some(num) = number else { continue };
        match found {
            Some((known, _)) if known != num => return None,
            _ => found = Some((num, labelled || found.is_some_and(|it| it.1))),
        }
    }
    let (num, labelled) = found?;
    let others = numerals(text).iter().any(|token| token.num != num);
    (labelled || !others).then_some((num, Spelling::Prose))
}

/// The only number of a text, or the one that the text itself calls the answer.
fn prose(text: &str) -> Option<(Num, Spelling)> {
    let tokens = numerals(text);
    let first = tokens.first()?;
    if tokens.iter().all(|token| token.num == first.num && token.clean && !token.hedged(text)) {
        return Some((first.num, Spelling::Prose));
    }
    let after = |cue: &str| text.rfind(cue).map(|at| at + cue.len());
    let cue = ["answer is", "result is"].iter().filter_map(|cue| after(cue)).max();
    let stated = cue.and_then(|at| stated_at(text, at, &tokens));
    stated.or_else(|| {
        let at = text.rfind('=')? + 1;
        let token = stated_at(text, at, &tokens)?;
        (!text.contains('\n')).then_some(token)
    })
}

/// The number that stands right at `at` and is the last one.
fn stated_at(text: &str, at: usize, tokens: &[Token]) -> Option<(Num, Spelling)> {
    let last = tokens.last().filter(|token| token.clean && token.start >= at)?;
    let between = &text[at..last.start];
    let close = between.chars().all(|c| !c.is_alphanumeric());
    close.then_some((last.num, Spelling::Prose))
}

/// `$5`, `5 apples`, `1.5 million`, `50%`: one number and what it is of.
fn with_unit(text: &str) -> Option<(Num, Spelling)> {
    let start = text.find(|c: char| to_ascii(c).is_ascii_digit())?;
    let start = start - signs_before(&text[..start]);
    let (before, rest) = text.split_at(start);
    let (number, unit) = rest.split_at(numeral_length(rest));
    let (num, _) = numeral(number.trim_end_matches(['.', ',', ' ']))?;
    let (before, unit) = (before.trim(), unit.trim());
    let money = |c: char| "$€£¥₹₩~≈".contains(c);
    let currency = before.chars().all(|c| c.is_ascii_uppercase()) && before.len() <= 3;
    if !(before.chars().all(money) || currency) || has_digits(unit) {
        return None;
    }
    if matches!(unit, "%" | "percent" | "per cent" | "％") {
        return Some((num, Spelling::Percent));
    }
    let mut words = unit.split_whitespace();
    let factor = match words.next() {
        Some(word) => magnitude(word)?,
        None => 1.0,
    };
    let is_word =
        |word: &str| word.chars().all(|c| c.is_alphabetic() || ".°²³$€£¥/-".contains(c));
    let fits = unit.split_whitespace().count() <= 3 && unit.split_whitespace().all(is_word);
    let choice = unit.split_whitespace().any(|word| matches!(word, "or" | "to" | "and"));
    (fits && !choice).then(|| (num.times_if(factor), Spelling::Spelled))
}

impl Num {
    fn times_if(self, factor: f64) -> Self {
        if (factor - 1.0).abs() < f64::EPSILON { self } else { self.times(factor) }
    }
}

/// What a word after a number multiplies it by; `None` where that is unclear (`5m`).
fn magnitude(word: &str) -> Option<f64> {
    match &*word.to_lowercase() {
        "dozen" => Some(12.0),
        "hundred" => Some(1e2),
        "thousand" | "k" => Some(1e3),
        "million" | "millions" => Some(1e6),
        "billion" | "billions" => Some(1e9),
        "trillion" => Some(1e12),
        "m" | "b" | "mm" | "bn" | "mn" | "mio" => None,
        _ => Some(1.0),
    }
}

/// The sign or point that belongs to a number, in bytes before it.
fn signs_before(before: &str) -> usize {
    let mut length = 0;
    for c in before.chars().rev() {
        if !matches!(c, '-' | '−' | '–' | '+' | '.') || length > 3 {
            break;
        }
        length += c.len_utf8();
    }
    length
}

fn has_digits(text: &str) -> bool {
    text.chars().any(|c| to_ascii(c).is_ascii_digit())
}

/// How long the number at the start of `text` is, separators of thousands included.
fn numeral_length(text: &str) -> usize {
    let mut end = 0;
    let mut digits = false;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let ascii = to_ascii(c);
        let next_is_digit = chars.peek().is_some_and(|(_, c)| to_ascii(*c).is_ascii_digit());
        let separates =
            matches!(ascii, '.' | ',' | '_' | '\'' | ' ') && digits && next_is_digit;
        let signs = !digits && matches!(ascii, '-' | '+' | '.');
        let exponent = digits && matches!(ascii, 'e' | 'E') && {
            let rest = text[at + c.len_utf8()..].trim_start_matches(['+', '-']);
            rest.starts_with(|c: char| c.is_ascii_digit())
        };
        if exponent {
            let rest = &text[at + 1..];
            let signed = rest.len() - rest.trim_start_matches(['+', '-']).len();
            let power = rest[signed..].chars().take_while(char::is_ascii_digit).count();
            return at + 1 + signed + power;
        }
        if !(ascii.is_ascii_digit() || separates || signs) {
            break;
        }
        digits |= ascii.is_ascii_digit();
        end = at + c.len_utf8();
    }
    end
}

/// A number inside a text.
struct Token {
    num: Num,
    start: usize,
    end: usize,
    /// It stands by itself: no letter, slash or percent sign changes what it is.
    clean: bool,
}

impl Token {
    /// Whether the text says that this is a bound, a range or what it is not.
    fn hedged(&self, text: &str) -> bool {
        const BOUNDS: [&str; 15] = [
            "least", "most", "than", "over", "under", "above", "below", "up to", "between",
            "minimum", "maximum", "≥", "≤", ">", "<",
        ];
        let before = text[..self.start].trim_end();
        let bounded = BOUNDS.iter().any(|word| before.ends_with(word));
        bounded
            || is_negated(text, self.start)
            || text[self.end..].trim_start().starts_with('+')
    }
}

/// All numbers of a text.
fn numerals(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = text[at..].find(|c: char| to_ascii(c).is_ascii_digit()) {
        let digit = at + offset;
        let before = &text[at..digit];
        let signs = signs_before(before);
        // A sign behind a digit or letter is a dash: `3-4`, `B-2`.
        let dash = text[..digit - signs].ends_with(char::is_alphanumeric);
        let start = if dash { digit } else { digit - signs };
        let length = token_length(&text[start..]).max(1);
        let end = start + length;
        if let Some((num, _)) = numeral(text[start..end].trim_end_matches([',', '.'])) {
            let previous = text[..start].chars().next_back();
            let next = text[end..].chars().next();
            let tangled =
                |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "/%_^:".contains(c));
            let colon = next == Some(':') && !text[end..].starts_with(":0");
            let clean = !tangled(previous.filter(|c| *c != ':')) && (colon || !tangled(next));
            found.push(Token { num, start, end, clean });
        }
        at = end;
        while !text.is_char_boundary(at) {
            at += 1;
        }
    }
    found
}

/// As [`numeral_length`], but a space ends the number: in prose `3 400` may be two.
fn token_length(text: &str) -> usize {
    let length = numeral_length(text);
    text[..length].find([' ', '\u{a0}', '\u{202f}']).unwrap_or(length)
}

/// The number that is the whole of `text`, and whether JSON would take it as it stands.
pub(super) fn numeral(text: &str) -> Option<(Num, bool)> {
    let folded = fold(text);
    if let Some(num) = plain(&folded) {
        return Some((num, matches!(folded, Cow::Borrowed(_)) && is_json(text)));
    }
    let (sign, digits) = match folded.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", folded.strip_prefix('+').unwrap_or(&folded)),
    };
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        let value = i64::from_str_radix(hex, 16).ok().filter(|it| *it >= 0)?;
        return Some((Num::Int(if sign.is_empty() { value } else { -value }), false));
    }
    ungrouped(digits).and_then(|digits| plain(&format!("{sign}{digits}"))).map(|it| (it, false))
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(text).is_ok()
}

/// Digits, point and exponent, with a sign.
fn plain(text: &str) -> Option<Num> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let begins = body.strip_prefix('.').unwrap_or(body);
    if !begins.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if !body
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+'))
    {
        return None;
    }
    if let Ok(int) = text.parse::<i64>() {
        return Some(Num::Int(int));
    }
    text.parse::<f64>().ok().filter(|it| it.is_finite()).map(Num::Float)
}

/// Full-width digits, other minus signs and other spaces in their plain form.
fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(to_ascii).collect())
}

fn to_ascii(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xff01 + 0x21).unwrap_or(c),
        '−' | '–' | '﹣' => '-',
        '\u{a0}' | '\u{2009}' | '\u{202f}' | '\u{3000}' => ' ',
        '’' => '\'',
        _ => c,
    }
}

/// The digits without separators of thousands, with a point for a decimal comma.
fn ungrouped(text: &str) -> Option<String> {
    for (group, point) in
        [(',', '.'), (' ', '.'), ('_', '.'), ('\'', '.'), ('.', ','), (' ', ',')]
    {
        let (whole, fraction) = text.split_once(point).unwrap_or((text, ""));
        let mut groups = whole.split(group);
        let first = groups.next()?;
        let digits = |it: &str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit());
        let rest = groups.collect::<Vec<_>>();
        let grouped = !rest.is_empty()
            && digits(first)
            && first.len() <= 3
            && !first.starts_with('0')
            && rest.iter().all(|it| it.len() == 3 && digits(it))
            && (fraction.is_empty() || digits(fraction));
        // `1.234` is a number with a fraction, not a grouped one.
        let certain = point == '.' || !fraction.is_empty();
        if grouped && certain {
            return Some(
                format!("{first}{}.{fraction}", rest.concat()).trim_end_matches('.').to_owned(),
            );
        }
    }
    decimal_comma(text)
}

/// `3,14`: not thousands, for those have three digits.
fn decimal_comma(text: &str) -> Option<String> {
    let (whole, fraction) = text.split_once(',')?;
    let digits = |it: &str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit());
    let decimal = digits(whole) && digits(fraction) && (fraction.len() != 3 || whole == "0");
    decimal.then(|| format!("{whole}.{fraction}"))
}

/// `forty-two`, `one hundred and five`, `minus two`, `five apples`.
fn in_words(text: &str) -> Option<Num> {
    let lower = text.to_lowercase();
    let mut words =
        lower.split([' ', '-', '\u{a0}']).filter(|word| !word.is_empty()).peekable();
    let negative = words.next_if(|word| matches!(*word, "minus" | "negative")).is_some();
    let (mut total, mut current, mut seen) = (0i64, 0i64, false);
    while let Some(word) = words.peek().copied() {
        match small(word) {
            Some(value) => current += value,
            None if word == "hundred" && seen => current = current.max(1) * 100,
            None if word == "and" && seen => {}
            None => match magnitude(word) {
                Some(factor) if factor >= 1e3 && seen && word.len() > 2 => {
                    total += current.checked_mul(Num::Float(factor).as_int()?)?;
                    current = 0;
                }
                _ => break,
            },
        }
        seen = true;
        words.next();
    }
    let rest = words.collect::<Vec<_>>();
    // `one of them` counts nothing, `five apples` does.
    let unit = rest.is_empty() || (rest.len() == 1 && total + current > 1);
    let value = total.checked_add(current)?;
    (seen && unit).then_some(Num::Int(if negative { -value } else { value }))
}

fn small(word: &str) -> Option<i64> {
    const UNITS: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 8] =
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let at = |list: &[&str]| list.iter().position(|it| *it == word).map(|at| i64::try_from(at));
    if let Some(Ok(at)) = at(&UNITS) {
        return Some(at);
    }
    at(&TENS).and_then(Result::ok).map(|at| (at + 2) * 10)
}
