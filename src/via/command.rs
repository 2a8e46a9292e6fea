//! A command line as words, without a shell: nothing in it is expanded.

/// Splits a command into its words. Quotes hold white space together; a backslash takes the next
/// character as it is, but between single quotes.
///
/// # Errors
/// Quotes that are not closed, a backslash at the end, and a command without a word.
pub fn words(command: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = command.chars();
    while let Some(ch) = chars.next() {
        match (quote, ch) {
            (Some(open), _) if ch == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(ch);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => {
                let next = chars.next().ok_or("a backslash ends the command")?;
                word.get_or_insert_default().push(next);
            }
            (None, _) if ch.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(ch),
        }
    }
    if quote.is_some() {
        return Err("quotes are opened and not closed".to_owned());
    }
    words.extend(word);
    match words.first() {
        Some(first) if !first.is_empty() => Ok(words),
        _ => Err("no command is named".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn commands_are_split_as_people_mean_them() {
        let cases: [(&str, &[&str]); 5] = [
            ("dsp worker", &["dsp", "worker"]),
            ("  ssh  host  dsp worker ", &["ssh", "host", "dsp", "worker"]),
            ("'/a b/dsp' worker \"x y\"", &["/a b/dsp", "worker", "x y"]),
            (r#"a\ b "c\"d" 'e\f' ''"#, &["a b", "c\"d", "e\\f", ""]),
            ("a$HOME;b|c *", &["a$HOME;b|c", "*"]),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text).unwrap(), expected, "{text}");
        }
        for text in ["", "  ", "'a", "a \"b", "a\\", "''"] {
            assert!(words(text).is_err(), "{text}");
        }
    }
}
