//! What the traces of rows are told apart by, and where they are kept.

use crate::eval::Job;
use crate::program::{State, row_hash};
use crate::runtime::{Batch, RowKey, Run};
use crate::trace::Trace;
use std::sync::Arc;

/// Traces of rows, in the run that evaluates them.
#[derive(Debug)]
pub(crate) struct RowTraces {
    batch: Batch,
    /// The state that rows were kept of last, and its hash: rows of one state come together.
    latest: Option<(Arc<State>, [u8; 16])>,
}

impl RowTraces {
    /// Begins to keep traces in a run.
    pub(crate) fn new(run: &Run) -> Self {
        Self { batch: run.begin_rows(), latest: None }
    }

    /// Says that the rows were evaluated here and now.
    pub(crate) fn place(&self, run: &Run) {
        run.place_rows(self.batch);
    }

    /// Keeps the trace of a run; a row that is run again counts as it was last.
    pub(crate) fn keep(&mut self, run: &Run, job: &Job, trace: Trace) {
        run.keep_row(self.batch, self.key(job), trace);
    }

    fn key(&mut self, job: &Job) -> RowKey {
        let known = self.latest.as_ref().filter(|it| Arc::ptr_eq(&it.0, &job.state));
        let state = match known {
            Some((_, hash)) => *hash,
            None => {
                let hash = bytes(&job.state.hash());
                self.latest = Some((job.state.clone(), hash));
                hash
            }
        };
        // Rows of several data sets have the same indices.
        (state, job.rollout, job.row.index, bytes(&row_hash(&job.row)))
    }
}

/// A hash as bytes, in the order of the text.
fn bytes(hash: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let length = hash.len().min(16);
    bytes[..length].copy_from_slice(&hash.as_bytes()[..length]);
    bytes
}
