//! Nodes that no longer have to be in memory, in a file without a name.
//!
//! A run of a hundred thousand calls would hold every prompt and reply of it otherwise. Each node
//! is some lines: itself, the edges that lead to it, and the prompts and replies that it names
//! by their number. In memory stays where its lines begin.

use super::export::{Content, NodeLine, json, node_line, read_node};
use super::{Edge, Node, NodeId};
use crate::host::{Host, Scratch};
use std::cell::RefCell;
use std::fmt;
use std::io;

/// Nodes in a file, in the order of their ids.
#[derive(Default)]
pub struct Spill {
    file: Option<Box<dyn Scratch>>,
    /// Where the lines of each node are.
    places: Vec<Place>,
    end: u64,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    start: u64,
    length: u32,
}

impl fmt::Debug for Spill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spill").field("nodes", &self.places.len()).finish_non_exhaustive()
    }
}

impl Spill {
    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Adds a node with the edges that lead to it.
    ///
    /// # Errors
    /// The file cannot be made or written: the node is not there then.
    pub fn push(&mut self, host: &dyn Host, node: &Node, edges: &[Edge]) -> io::Result<()> {
        let place = self.write(host, node, edges)?;
        self.places.push(place);
        Ok(())
    }

    /// Puts a node in the place of what it was before.
    ///
    /// # Errors
    /// As for `push`: what it was before is there then.
    pub fn replace(
        &mut self,
        host: &dyn Host,
        at: usize,
        node: &Node,
        edges: &[Edge],
    ) -> io::Result<()> {
        let place = self.write(host, node, edges)?;
        if let Some(it) = self.places.get_mut(at) {
            *it = place;
        }
        Ok(())
    }

    fn write(&mut self, host: &dyn Host, node: &Node, edges: &[Edge]) -> io::Result<Place> {
        let content = Lines::default();
        let node = json(&node_line(NodeId(0), node, &content));
        let mut text = format!("{node}\n{}", json(&edges)).into_bytes();
        for line in content.0.into_inner() {
            text.push(b'\n');
            text.extend(line);
        }
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(host.scratch()?),
        };
        let place = Place { start: self.end, length };
        // What was written of it in part is passed over.
        self.end += u64::from(length);
        if let Err(error) = file.append(&text) {
            self.end = file.length()?;
            return Err(error);
        }
        Ok(place)
    }

    /// A node with the edges that lead to it; none where it cannot be read any more.
    pub fn get(&mut self, at: usize) -> Option<(Node, Vec<Edge>)> {
        let text = self.text(at)?;
        let mut lines = text.split(|it| *it == b'\n');
        let node: NodeLine = serde_json::from_slice(lines.next()?).ok()?;
        let edges: Vec<Edge> = serde_json::from_slice(lines.next()?).ok()?;
        let content = Lines(RefCell::new(lines.map(<[u8]>::to_vec).collect()));
        Some((read_node(node, &content), edges))
    }

    /// The edges that lead to a node, without it.
    pub fn edges(&mut self, at: usize) -> Option<Vec<Edge>> {
        let text = self.text(at)?;
        serde_json::from_slice(text.split(|it| *it == b'\n').nth(1)?).ok()
    }

    fn text(&mut self, at: usize) -> Option<Vec<u8>> {
        let place = *self.places.get(at)?;
        let mut text = vec![0; place.length as usize];
        self.file.as_mut()?.read_at(place.start, &mut text).ok()?;
        Some(text)
    }
}

/// Content of one node, by its number.
#[derive(Default)]
struct Lines(RefCell<Vec<Vec<u8>>>);

impl Content for Lines {
    fn name(&self, _: &[u8]) -> String {
        self.0.borrow().len().to_string()
    }

    fn keep(&self, _: &str, bytes: &[u8]) {
        self.0.borrow_mut().push(bytes.to_vec());
    }

    fn find(&self, name: &str) -> Option<Vec<u8>> {
        self.0.borrow().get(name.parse::<usize>().ok()?).cloned()
    }
}
