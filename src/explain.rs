//! The pages that explain codes, as `dsp explain` shows them.
//!
//! A page is a Markdown file `src/reference/codes/E0203.md`: a title, what it is, a program that
//! has it, why it matters, and the program mended. Tests run both programs, and compare the
//! pages with the codes in the sources.

use crate::diag::nearest;

/// A page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The code: `E0203`.
    pub code: &'static str,
    /// The page, as Markdown.
    pub text: &'static str,
}

impl Page {
    /// What the first line says behind the code.
    pub fn title(&self) -> &'static str {
        let line = self.text.lines().next().unwrap_or_default();
        line.split_once(": ").map_or("", |(_, title)| title)
    }
}

macro_rules! pages {
    ($($code:literal,)*) => {
        /// All pages, in the order of their codes.
        pub const PAGES: &[Page] = &[$(Page {
            code: $code,
            text: include_str!(concat!("reference/codes/", $code, ".md")),
        }),*];
    };
}

#[rustfmt::skip]
pages! {
    "E0001",
    "E0005",
    "E0006",
    "E0007",
    "E0011",
    "E0012",
    "E0013",
    "E0014",
    "E0015",
    "E0020",
    "E0021",
    "E0022",
    "E0023",
    "E0024",
    "E0101",
    "E0102",
    "E0103",
    "E0104",
    "E0105",
    "E0106",
    "E0107",
    "E0110",
    "E0111",
    "E0112",
    "E0113",
    "E0114",
    "E0115",
    "E0116",
    "E0117",
    "E0118",
    "E0119",
    "E0120",
    "E0121",
    "E0122",
    "E0123",
    "E0124",
    "E0125",
    "E0201",
    "E0202",
    "E0203",
    "E0204",
    "E0205",
    "E0206",
    "E0207",
    "E0208",
    "E0209",
    "E0210",
    "E0211",
    "E0212",
    "E0213",
    "E0214",
    "E0215",
    "E0216",
    "E0217",
    "E0218",
    "E0219",
    "E0220",
    "E0221",
    "E0222",
    "E0223",
    "E0224",
    "E0225",
    "E0240",
    "E0301",
    "E0302",
    "E0303",
    "E0304",
    "E0305",
    "E0306",
    "E0307",
    "E0308",
    "E0309",
    "E0310",
    "E0311",
    "E0312",
    "E0313",
    "E0401",
    "E0402",
    "E0403",
    "E0404",
    "E0501",
    "E0502",
    "E0503",
    "E0504",
    "E0505",
    "E0506",
    "E0507",
    "E0508",
    "E0509",
    "E0510",
    "E0701",
    "E0702",
    "E0703",
    "E0704",
    "E0706",
    "E0707",
    "E0710",
    "E0711",
    "E0712",
    "E0713",
    "E0714",
    "E0716",
    "E0717",
    "E0720",
    "E0723",
    "W0201",
    "W0202",
    "W0203",
    "W0204",
    "W0205",
    "W0206",
    "W0207",
    "W0208",
    "W0209",
    "W0210",
    "W0211",
    "W0212",
    "W0213",
    "W0214",
    "W0220",
    "W0501",
    "W0502",
    "W0715",
    "W0718",
    "W0719",
    "W0721",
    "W0722",
    "W0724",
    "W0725",
    "W0728",
}

/// The page of a code as somebody may write it: `E0203`, `e0203`, `0203`, `203`.
pub fn page(word: &str) -> Option<&'static Page> {
    let word = word.trim();
    let code = word.to_uppercase();
    if let Some(page) = PAGES.iter().find(|it| it.code == code) {
        return Some(page);
    }
    let digits = !word.is_empty() && word.bytes().all(|it| it.is_ascii_digit());
    let number = digits.then(|| format!("{word:0>4}"))?;
    PAGES.iter().find(|it| it.code[1..] == number)
}

/// The code that was likely meant by a word that is none.
pub fn near(word: &str) -> Option<&'static str> {
    let codes: Vec<&'static str> = PAGES.iter().map(|it| it.code).collect();
    let code = word.trim().to_uppercase();
    nearest(&code, &codes).map(|near| codes.iter().find(|it| **it == near).copied())?
}
