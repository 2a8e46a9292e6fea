//! Media in messages: their place in the text, and their bytes as text.

use super::Unwritable;
use crate::lm::Message;
use crate::schema::{Media, Source};

/// A piece of a message: text, or a medium that stands there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Media(&'a Media),
}

/// The pieces of a message, in their order; empty texts are left out.
pub(super) fn pieces(message: &Message) -> Vec<Piece<'_>> {
    let mut pieces = Vec::with_capacity(message.media.len() * 2 + 1);
    let mut rest = 0;
    for placed in &message.media {
        let mut at = placed.at.clamp(rest, message.text.len());
        while !message.text.is_char_boundary(at) {
            at -= 1;
        }
        pieces.push(Piece::Text(&message.text[rest..at]));
        pieces.push(Piece::Media(&placed.media));
        rest = at;
    }
    pieces.push(Piece::Text(&message.text[rest..]));
    pieces.retain(|it| !matches!(it, Piece::Text("")));
    pieces
}

/// The bytes of a medium as base64.
pub(super) fn base64_of(media: &Media) -> Result<String, Unwritable> {
    match &media.source {
        Source::Bytes { bytes, .. } => Ok(base64(bytes)),
        Source::Url(_) => Err(Unwritable {
            message: format!("this provider fetches no {} from a URL", media.kind.as_str()),
            hint: "give the path of a file instead".to_owned(),
        }),
        Source::Absent { .. } => Err(absent(media)),
    }
}

/// A URL of the medium: its own, or one that holds its bytes.
pub(super) fn url_of(media: &Media) -> Result<String, Unwritable> {
    match &media.source {
        Source::Url(url) => Ok(url.to_string()),
        Source::Bytes { bytes, .. } => {
            Ok(format!("data:{};base64,{}", media.mime, base64(bytes)))
        }
        Source::Absent { .. } => Err(absent(media)),
    }
}

/// What says that a kind of media has no place in a protocol.
pub(super) fn no_place(media: &Media, taken: &str) -> Unwritable {
    Unwritable {
        message: format!(
            "this provider takes no input of type {} ({})",
            media.kind.as_str(),
            media.mime
        ),
        hint: taken.to_owned(),
    }
}

fn absent(media: &Media) -> Unwritable {
    Unwritable {
        message: format!("the content of an {} is no longer at hand", media.kind.as_str()),
        hint: "it was read in another run, of which only its hash is kept".to_owned(),
    }
}

/// RFC 4648, section 4.
pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= chunk.len() { letter.into() } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn bytes_become_text() {
        // RFC 4648, section 10.
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xFB, 0xFF, 0xFE]), "+//+");
    }
}
