//! What a call to a model takes and gives: types, values, signatures, rows and demos.
//!
//! Plain data and pure functions; nothing here knows scripts, prompts or models. Keys keep
//! their order everywhere, for order reaches prompts and files.

mod choices;
mod convert;
mod history;
mod json_schema;
mod media;
mod media_file;
mod mime;
mod signature;
mod template;
mod ty;
mod value;

pub use choices::choices_of;
pub use convert::{ConvertError, convert, convert_fields};
pub(crate) use convert::{brief, check_bound, left_out, shortened};
pub(crate) use history::history_of;
pub use history::{MESSAGES, is_history, is_history_type};
pub use json_schema::{has_strict_schema, json_schema, record_schema, strict_schema};
pub use media::{Media, MediaKind, Source};
pub use media_file::MediaFile;
pub(crate) use media_file::{fits_size, located, with_paths};
pub use mime::mime_of;
pub use signature::{Demo, Field, Row, Signature};
pub use template::{ADAPTERS, Flaw, Layout, PARTS, Piece, Template, Text, WORDS};
pub use ty::{Bound, Choices, Ty, TypeTable};
pub use value::{Record, Value};
