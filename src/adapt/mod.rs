//! temporary
use crate::lm::*;
use crate::schema::*;
#[derive(Debug, Clone, Copy)] pub enum Adapter { Chat, Complete }
#[derive(Debug)] pub struct Ask<'a> { pub signature: &'a Signature, pub instructions: &'a str, pub demos: &'a [Demo], pub inputs: &'a Record }
#[derive(Debug)] pub struct Prepared { pub prompt: Prompt, pub decoding: Decoding, pub stop: Vec<String>, pub max_tokens: Option<u32> }
#[derive(Debug)] pub struct Parsed { pub values: Record, pub liberties: Vec<String> }
#[derive(Debug)] pub struct ParseError { pub message: String }
impl std::fmt::Display for ParseError { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(&self.message) } }
impl Adapter { pub fn by_name(_: &str) -> Option<Self> { None } pub fn name(self) -> &'static str { "" } pub fn auto(_: &Capabilities) -> Self { Self::Chat }
 pub fn prompt(self, _: &Ask<'_>, _: &Capabilities) -> Prepared { unimplemented!() }
 pub fn parse(self, _: &Signature, _: &str) -> Result<Parsed, ParseError> { unimplemented!() }
 pub fn repair(self, _: &Ask<'_>, _: &str, _: &ParseError, _: &Capabilities) -> Prepared { unimplemented!() } }
