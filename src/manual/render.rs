//! Markdown as text for terminals: headings bold, code indented, tables in columns.

use unicode_width::UnicodeWidthStr;

/// The widest first column of a table that others are lined up behind.
const WIDEST: usize = 44;

/// Returns Markdown of the reference as text for a terminal, with `color` in bold and colours.
pub fn render(text: &str, color: bool) -> String {
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") || line.starts_with("````") {
            let fence: String = line.chars().take_while(|it| *it == '`').collect();
            for code in lines.by_ref().take_while(|it| *it != fence) {
                out += format!("    {code}").trim_end();
                out.push('\n');
            }
        } else if line.starts_with('|') {
            let mut rows = vec![cells(line)];
            while let Some(row) = lines.next_if(|it| it.starts_with('|')) {
                rows.push(cells(row));
            }
            push_table(&mut out, &rows, color);
        } else if let Some(heading) = heading(line) {
            out += &paint(heading, "1", color);
            out.push('\n');
        } else {
            out += &inline(line, color);
            out.push('\n');
        }
    }
    out
}

fn heading(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches('#');
    let depth = line.len() - rest.len();
    (1..=6).contains(&depth).then(|| rest.strip_prefix(' ')).flatten()
}

/// The cells of a row; none for the line below the head.
fn cells(line: &str) -> Vec<String> {
    let is_rule = line.chars().all(|it| matches!(it, '|' | '-' | ':' | ' '));
    if is_rule {
        return Vec::new();
    }
    let line = line.trim().trim_start_matches('|');
    let line = line.strip_suffix('|').unwrap_or(line).replace("\\|", "\u{1}");
    line.split('|').map(|it| it.trim().replace('\u{1}', "|")).collect()
}

fn push_table(out: &mut String, rows: &[Vec<String>], color: bool) {
    let rows: Vec<&Vec<String>> =
        rows.iter().filter(|row| row.iter().any(|it| !it.is_empty())).collect();
    let n_columns = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widths = cells.map(|it| inline(it, false).width()).filter(|it| *it <= WIDEST);
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..n_columns).map(width).collect();
    for row in rows {
        let mut line = String::from("  ");
        for (column, cell) in row.iter().enumerate() {
            let shown = inline(cell, color);
            let pad = widths[column].saturating_sub(inline(cell, false).width());
            line += &shown;
            if column + 1 < row.len() {
                line += &" ".repeat(pad + 2);
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// A line without marks: code coloured, strong words bold, links as their words.
fn inline(text: &str, color: bool) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        out += &rest[..at];
        rest = &rest[at..];
        let taken =
            code(rest, color).or_else(|| strong(rest, color)).or_else(|| link(rest, color));
        match taken {
            Some((shown, after)) => {
                out += &shown;
                rest = after;
            }
            None => {
                out += &rest[..1];
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

fn code(text: &str, color: bool) -> Option<(String, &str)> {
    let ticks = text.len() - text.trim_start_matches('`').len();
    if ticks == 0 {
        return None;
    }
    let (fence, body) = text.split_at(ticks);
    let end = body.find(fence)?;
    let shown = if ticks > 1 { body[..end].trim() } else { &body[..end] };
    Some((paint(shown, "36", color), &body[end + ticks..]))
}

fn strong(text: &str, color: bool) -> Option<(String, &str)> {
    let body = text.strip_prefix("**")?;
    let end = body.find("**")?;
    Some((paint(&inline(&body[..end], false), "1", color), &body[end + 2..]))
}

fn link(text: &str, color: bool) -> Option<(String, &str)> {
    let body = text.strip_prefix('[')?;
    let end = body.find("](")?;
    let words = &body[..end];
    let close = end + body[end..].find(')')?;
    (!words.contains('[')).then(|| (inline(words, color), &body[close + 1..]))
}

fn paint(text: &str, style: &str, color: bool) -> String {
    if color { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
}
