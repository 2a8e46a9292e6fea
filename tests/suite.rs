//! Tests of the whole: the floors of the architecture, what the package is built from, what is
//! written twice, and the commands that the manuals show.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests run on the machine they run on"
)]

#[path = "suite/ablate.rs"]
mod ablate;
#[path = "suite/adapt.rs"]
mod adapt;
#[path = "suite/adapters.rs"]
mod adapters;
#[path = "suite/agreement.rs"]
mod agreement;
#[path = "suite/architecture.rs"]
mod architecture;
#[path = "suite/budget.rs"]
mod budget;
#[path = "suite/cache.rs"]
mod cache;
#[cfg(feature = "http")]
#[path = "suite/calls.rs"]
mod calls;
#[cfg(feature = "http")]
#[path = "suite/carry.rs"]
mod carry;
#[cfg(feature = "http")]
#[path = "suite/cassettes.rs"]
mod cassettes;
#[path = "suite/cli.rs"]
mod cli;
#[path = "suite/console.rs"]
mod console;
#[path = "suite/data.rs"]
mod data;
#[path = "suite/data_large.rs"]
mod data_large;
#[path = "suite/data_props.rs"]
mod data_props;
#[path = "suite/doc.rs"]
mod doc;
#[cfg(all(feature = "http", feature = "local"))]
#[path = "suite/download.rs"]
mod download;
#[cfg(feature = "cli")]
#[path = "suite/dspy_states.rs"]
mod dspy_states;
#[path = "suite/edges.rs"]
mod edges;
#[cfg(feature = "local")]
#[path = "suite/embedded.rs"]
mod embedded;
#[cfg(feature = "http")]
#[path = "suite/embeddings.rs"]
mod embeddings;
#[path = "suite/examples.rs"]
mod examples;
#[cfg(all(feature = "cli", feature = "http"))]
#[path = "suite/failing.rs"]
mod failing;
#[path = "suite/fmt.rs"]
mod fmt;
#[path = "suite/forecast.rs"]
mod forecast;
#[path = "suite/front.rs"]
mod front;
#[path = "suite/fuzzed.rs"]
mod fuzzed;
#[path = "suite/gains.rs"]
mod gains;
#[path = "suite/gepa.rs"]
mod gepa;
#[path = "suite/gepa_replay.rs"]
mod gepa_replay;
#[cfg(feature = "http")]
#[path = "suite/handover.rs"]
mod handover;
#[path = "suite/hosts.rs"]
mod hosts;
#[cfg(feature = "http")]
#[path = "suite/http.rs"]
mod http;
#[path = "suite/instructions.rs"]
mod instructions;
#[path = "suite/journal.rs"]
mod journal;
#[cfg(feature = "http")]
#[path = "suite/keys.rs"]
mod keys;
#[cfg(all(feature = "cli", feature = "http"))]
#[path = "suite/lists.rs"]
mod lists;
#[path = "suite/mipro.rs"]
mod mipro;
#[path = "suite/optimize.rs"]
mod optimize;
#[path = "suite/packages.rs"]
mod packages;
#[path = "suite/parallel.rs"]
mod parallel;
#[path = "suite/parsing.rs"]
mod parsing;
#[cfg(all(feature = "cli", feature = "http"))]
#[path = "suite/planted.rs"]
mod planted;
#[path = "suite/program.rs"]
mod program;
#[path = "suite/projects.rs"]
mod projects;
#[cfg(feature = "http")]
#[path = "suite/protocols.rs"]
mod protocols;
#[cfg(feature = "http")]
#[path = "suite/recordings.rs"]
mod recordings;
#[path = "suite/reference.rs"]
mod reference;
#[path = "suite/repl.rs"]
mod repl;
#[cfg(all(feature = "cli", feature = "http"))]
#[path = "suite/replay_rows.rs"]
mod replay_rows;
#[path = "suite/replays.rs"]
mod replays;
#[cfg(feature = "http")]
#[path = "suite/resume.rs"]
mod resume;
#[cfg(feature = "retrieve")]
#[path = "suite/retrieve.rs"]
mod retrieve;
#[path = "suite/rhai.rs"]
mod rhai_corpus;
#[path = "suite/sampling.rs"]
mod sampling;
#[path = "suite/schema.rs"]
mod schema;
#[path = "suite/scripted.rs"]
mod scripted;
#[cfg(all(feature = "serve", feature = "http", feature = "local"))]
#[path = "suite/serve.rs"]
mod serve;
#[path = "suite/simba.rs"]
mod simba;
#[path = "suite/sizes.rs"]
mod sizes;
#[path = "suite/sources.rs"]
mod sources;
#[path = "suite/states.rs"]
mod states;
#[path = "suite/stats.rs"]
mod stats;
#[path = "suite/stdlib.rs"]
mod stdlib;
#[path = "suite/store.rs"]
mod store;
#[cfg(feature = "http")]
#[path = "suite/streams.rs"]
mod streams;
#[path = "suite/syntax.rs"]
mod syntax;
#[path = "suite/testing.rs"]
mod testing;
#[path = "suite/trace_commands.rs"]
mod trace_commands;
#[path = "suite/trace_files.rs"]
mod trace_files;
#[path = "suite/traces.rs"]
mod traces;
#[path = "suite/tune.rs"]
mod tune;
#[path = "suite/units.rs"]
mod units;
#[cfg(feature = "http")]
#[path = "suite/unnamed.rs"]
mod unnamed;
#[cfg(feature = "http")]
#[path = "suite/usage.rs"]
mod usage;
#[cfg(feature = "http")]
#[path = "suite/values.rs"]
mod values;
#[cfg(all(feature = "http", unix))]
#[path = "suite/watched.rs"]
mod watched;
#[cfg(all(feature = "http", unix))]
#[path = "suite/workers.rs"]
mod workers;
#[cfg(feature = "http")]
#[path = "suite/xml.rs"]
mod xml;
