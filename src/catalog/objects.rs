//! The kinds of values of ours.

use super::{Method, Object, ObjectField, Param, must, option, optional, required};

const fn field(name: &'static str, ty: &'static str, doc: &'static str) -> ObjectField {
    ObjectField { name, ty, doc }
}

const fn method(
    name: &'static str,
    params: &'static [Param],
    result: &'static str,
    doc: &'static str,
) -> Method {
    Method { name, params, extra_named: false, result, doc }
}

const fn open_method(
    name: &'static str,
    params: &'static [Param],
    result: &'static str,
    doc: &'static str,
) -> Method {
    Method { name, params, extra_named: true, result, doc }
}

const OVERRIDES: &[Param] = &[
    option("lm", "lm | str", "another model"),
    option("temperature", "float", "another temperature"),
    option("max_tokens", "int", "another longest reply"),
    option("adapter", "str | adapter", "another way to lay out prompts"),
    option("cache", "bool", "whether earlier replies serve"),
    option("rollout", "int", "which of several replies to the same prompt"),
    option("retries", "int", "how often a reply that cannot be read is asked again"),
    option("n", "int", "how many replies are wanted; `completions` has them all"),
    option(
        "logprobs",
        "int",
        "tells how likely the tokens were, with so many of the likeliest",
    ),
    option("asserts", "bool", "whether what must hold is repaired where it does not"),
    option("at", "str", "the path of the predictor it is for; all without it"),
];

const FUNCTION: &[Param] = &[required("f", "fn", "called with each row")];
const PATH: &[Param] = &[required("path", "str", "a file, relative to the script")];

const WITH: Method = method("with", OVERRIDES, "program", "a copy with other options");
const WITH_STATE: Method =
    method("with_state", PATH, "program", "a copy with the prompts and demos of a file");
const SAVE: Method = method("save", PATH, "nothing", "writes prompts and demos to a file");
const FREEZE: Method = method("freeze", &[], "program", "a copy that no optimizer changes");
const SAMPLE: Method = open_method(
    "sample",
    &[required("n", "int", "how many replies")],
    "reply",
    "the first of several replies to the same inputs; `completions` are all of them",
);
const PROMPT: Method = open_method(
    "prompt",
    &[option("at", "str", "the path of the predictor")],
    "str",
    "the prompt these inputs would send, without sending it",
);
const WHY: Method = open_method(
    "why",
    &[option("at", "str", "the path of the predictor")],
    "list[map]",
    "the same prompt part by part: `role`, `text`, its `origin`, and what that stands on, `because`",
);
const PROGRAM_METHODS: &[Method] = &[WITH, WITH_STATE, SAVE, FREEZE, SAMPLE, PROMPT, WHY];

const PREDICTOR_METHODS: &[Method] = &[
    WITH,
    WITH_STATE,
    SAVE,
    FREEZE,
    SAMPLE,
    PROMPT,
    WHY,
    open_method("stream", &[], "stream", "a call whose reply is read while it comes"),
];

const COMPILED: &[Param] = &[
    required("program", "program", "what to make better"),
    must("trainset", "dataset", "examples to learn from"),
    option("valset", "dataset", "examples to choose by; half of the trainset without it"),
    option(
        "testset",
        "dataset",
        "examples for the last comparison, which the search does not see",
    ),
    option("confirm", "float", "the part of the valset that is held back for it; 0 is none"),
    option("overlap", "bool", "whether examples may stand in two of the sets"),
];
const PLANNED: &[Param] = &[
    required("program", "program", "what to make better"),
    must("trainset", "dataset", "examples to learn from"),
    option("valset", "dataset", "examples to choose by; half of the trainset without it"),
    option(
        "testset",
        "dataset",
        "examples for the last comparison, which the search does not see",
    ),
    option("confirm", "float", "the part of the valset that is held back for it; 0 is none"),
    option("overlap", "bool", "whether examples may stand in two of the sets"),
    option("measure", "int", "how many runs are made to say what is likely; 0 by default"),
];

const CHECK: Method = method(
    "check",
    &[
        option("inputs", "str | list[str]", "the columns that make rows equal"),
        option("label", "str", "the column that holds what is right"),
    ],
    "check",
    "what is wrong with the rows: doubles, leaks, gaps, labels that disagree",
);

const GET: Method = method(
    "get",
    &[required("name", "str", "whose value")],
    "any",
    "the value of this name, nothing where there is none",
);
const KEYS: Method = method("keys", &[], "list[str]", "the names");
const VALUES: Method = method("values", &[], "list", "the values");
const TO_JSON: Method = method("to_json", &[], "str", "the same as JSON");

const REPORT: Method = method("report", &[], "str", "the result as tables, with times");
const REPORT_FIELD: ObjectField = field("report", "str", "the result as tables, with times");
const EVALUATION_METHODS: &[Method] = &[
    REPORT,
    method("save", PATH, "nothing", "writes it to a file: `.html`, `.json` or `.csv`"),
];
const COMPARISON_METHODS: &[Method] =
    &[REPORT, method("save", PATH, "nothing", "writes it to a `.json` file")];

const MEDIUM: &[ObjectField] = &[
    field("kind", "str", "`image`, `audio` or `file`"),
    field("mime", "str", "its type, such as `image/png`"),
    field("name", "any", "the name of its file; nothing where it has none"),
    field("size", "any", "its bytes; nothing where it is at a URL"),
    field("sha256", "any", "the hash of its content; nothing where it is at a URL"),
    field("url", "any", "where it is; nothing where its content is here"),
];

/// The kinds of values of ours.
pub const OBJECTS: &[Object] = &[
    Object {
        name: "Signature",
        fields: &[
            field("name", "str", "its name"),
            field("instructions", "str", "what to do"),
            field("fields", "list", "its fields: name, kind, type and description"),
        ],
        methods: &[
            method(
                "with_field",
                &[
                    required(
                        "field",
                        "str",
                        "such as `out confidence: float(0..=1) 'how sure'`",
                    ),
                    option(
                        "at",
                        "int",
                        "its place among the inputs or outputs; last without it",
                    ),
                ],
                "signature",
                "a copy with one more field",
            ),
            method(
                "without",
                &[required("name", "str", "the field to leave out")],
                "signature",
                "a copy without a field",
            ),
            method(
                "with_instructions",
                &[required("text", "str", "what to do")],
                "signature",
                "a copy with other instructions",
            ),
        ],
        open: false,
    },
    Object {
        name: "Predictor",
        fields: &[
            field("instructions", "str", "what to do, as its state has it"),
            field("demos", "list", "the examples in its prompt"),
            field("signature", "signature", "what goes in and what comes out"),
        ],
        methods: PREDICTOR_METHODS,
        open: false,
    },
    Object { name: "Program", fields: &[], methods: PROGRAM_METHODS, open: true },
    Object {
        name: "Reply",
        fields: &[],
        methods: &[
            open_method("with", &[], "reply", "a copy with other fields"),
            GET,
            KEYS,
            VALUES,
            TO_JSON,
        ],
        open: true,
    },
    Object {
        name: "Stream",
        fields: &[field("reply", "reply", "the whole reply, after a wait for what is left")],
        methods: &[],
        open: false,
    },
    Object {
        name: "Record",
        fields: &[],
        methods: &[
            open_method("with", &[], "record", "a copy with other fields"),
            GET,
            method(
                "contains",
                &[required("name", "str", "the field")],
                "bool",
                "whether there is a field; `name in record` asks the same",
            ),
            KEYS,
            VALUES,
            method("len", &[], "int", "how many fields"),
            TO_JSON,
        ],
        open: true,
    },
    Object {
        name: "Dataset",
        fields: &[],
        methods: &[
            method("map", FUNCTION, "dataset", "the rows that a function returns"),
            method("filter", FUNCTION, "dataset", "the rows a function says true to"),
            method(
                "unique",
                &[optional("by", "str", "the column that tells rows apart; all without it")],
                "dataset",
                "the rows without repetitions",
            ),
            method(
                "shuffle",
                &[optional("seed", "int", "where randomness starts")],
                "dataset",
                "the rows in another order",
            ),
            method("take", &[required("n", "int", "how many")], "dataset", "the first rows"),
            method(
                "slice",
                &[
                    required("from", "int", "the first"),
                    optional("to", "int", "the one after the last; the end without it"),
                ],
                "dataset",
                "rows from here to there",
            ),
            method(
                "split",
                &[
                    option("train", "float | int", "the share, or number, to learn from"),
                    option("dev", "float | int", "the share, or number, to choose by"),
                    option("test", "float | int", "the share, or number, to report on"),
                    option("seed", "int", "where randomness starts"),
                    option(
                        "by",
                        "str",
                        "the column of labels that each part gets its share of",
                    ),
                    option("group", "str", "the column whose equal values stay in one part"),
                    option("inputs", "str | list[str]", "the columns that make rows equal"),
                ],
                "splits",
                "parts that have no row in common",
            ),
            method(
                "concat",
                &[required("other", "dataset", "what follows")],
                "dataset",
                "the rows of both",
            ),
            method("len", &[], "int", "how many rows"),
            CHECK,
            method(
                "parallel_map",
                &[
                    required("f", "fn", "called with each row"),
                    option("threads", "int", "how many calls go on at once"),
                ],
                "list",
                "what a function returns for each row, several at once",
            ),
        ],
        open: false,
    },
    Object {
        name: "Check",
        fields: &[
            field("rows", "map", "the parts and how many rows they have"),
            field("inputs", "list[str]", "the columns that make rows equal"),
            field("label", "str", "the column that holds what is right"),
            field("serious", "int", "how many findings are serious"),
            field(
                "findings",
                "list",
                "level, kind, field, message, rows, places and advice of each",
            ),
        ],
        methods: &[],
        open: false,
    },
    Object {
        name: "Splits",
        fields: &[
            field("train", "dataset", "to learn from"),
            field("dev", "dataset", "to choose by"),
            field("test", "dataset", "to report on"),
        ],
        methods: &[CHECK],
        open: false,
    },
    Object {
        name: "Row",
        fields: &[],
        methods: &[
            open_method("with", &[], "row", "a copy with other columns"),
            method(
                "without",
                &[required("name", "str", "the column to leave out")],
                "row",
                "a copy without a column",
            ),
            GET,
            KEYS,
            VALUES,
            TO_JSON,
        ],
        open: true,
    },
    Object {
        name: "Optimizer",
        fields: &[],
        methods: &[
            method(
                "compile",
                COMPILED,
                "program",
                "the program with the state that scored best",
            ),
            method("plan", PLANNED, "str", "what compiling takes at most, and what is likely"),
        ],
        open: false,
    },
    Object {
        name: "Evaluation",
        fields: &[
            field("score", "float", "the mean of the score that counts"),
            field("interval", "list[float]", "where the true mean lies, at 95 percent"),
            field(
                "scores",
                "map",
                "of a metric with several scores: the mean and interval of each",
            ),
            field("rows", "list", "each example with its reply and score"),
            field("failures", "list", "the rows that failed"),
            REPORT_FIELD,
            field("calls", "int", "calls of models by the program, cached ones included"),
            field("tokens", "int", "tokens that the program read and wrote"),
            field(
                "cost",
                "map",
                "what it took: calls, tokens, seconds; those of a judge apart",
            ),
        ],
        methods: EVALUATION_METHODS,
        open: false,
    },
    Object {
        name: "RowResult",
        fields: &[
            field("index", "int", "the row's number in its file or list"),
            field("origin", "str", "where the row stands: `dev.jsonl:17`"),
            field("row", "row", "the whole row"),
            field("inputs", "map", "the columns that the program takes"),
            field("reply", "reply", "what the program replied; nothing where it failed"),
            field(
                "score",
                "float",
                "what the row counts in the mean; nothing where it is left out",
            ),
            field("scores", "map", "all scores, where the metric gives several"),
            field("feedback", "str", "what the metric said besides"),
            field("feedback_by", "map", "what the metric said of single predictors, by path"),
            field("failure", "str", "why it failed; nothing where it did not"),
            field("latency", "float", "how long the program took, in seconds"),
            field("calls", "int", "calls of models by the program"),
            field("tokens", "int", "tokens that the program read and wrote"),
        ],
        methods: &[],
        open: false,
    },
    Object {
        name: "Comparison",
        fields: &[
            field("a", "evaluation", "the first program's"),
            field("b", "evaluation", "the second program's"),
            field("gain", "float", "how much better the second is"),
            field("interval", "list[float]", "where the true gain lies, at 95 percent"),
            field("p", "float", "how likely such a difference is by chance"),
            field("wins", "int", "rows that are better with the second"),
            field("losses", "int", "rows that are worse with it"),
            field("ties", "int", "rows that are the same"),
            field("verdict", "str", "what it comes to, in words"),
            field("reliable", "bool", "whether the difference is more than noise"),
            field("scores", "map", "of a metric with several scores: the gain of each"),
            field("rows", "list", "each example with both scores"),
            REPORT_FIELD,
        ],
        methods: COMPARISON_METHODS,
        open: false,
    },
    Object {
        name: "Index",
        fields: &[],
        methods: &[
            method("len", &[], "int", "how many passages"),
            method(
                "search",
                &[
                    required("query", "str", "what to look for"),
                    optional("k", "int", "how many passages"),
                ],
                "list",
                "the passages that fit best, with their scores",
            ),
        ],
        open: false,
    },
    Object {
        name: "Lm",
        fields: &[field("name", "str", "provider and model")],
        methods: &[],
        open: false,
    },
    Object {
        name: "Adapter",
        fields: &[field("name", "str", "what traces and states call it")],
        methods: &[],
        open: false,
    },
    Object {
        name: "History",
        fields: &[],
        methods: &[
            method("len", &[], "int", "how many turns"),
            method("last", &[required("n", "int", "how many")], "history", "the newest turns"),
        ],
        open: false,
    },
    Object { name: "Image", fields: MEDIUM, methods: &[], open: false },
    Object { name: "Audio", fields: MEDIUM, methods: &[], open: false },
    Object { name: "File", fields: MEDIUM, methods: &[], open: false },
    Object {
        name: "Trace",
        fields: &[
            field("nodes", "list", "what happened, in order"),
            field("calls", "list", "the nodes that are calls of models"),
            field("roots", "list", "the nodes in whose course the others happened"),
            field("edges", "list", "what flowed where"),
            field("cost", "map", "what its calls took"),
        ],
        methods: &[
            method(
                "where",
                &[
                    optional("f", "fn", "says of a node whether it is meant"),
                    option("kind", "str | list", "`lm`, `module`, `retrieval`, `assert` …"),
                    option("path", "str", "where in the program, or what it is called"),
                    option("failed", "bool", "whether it failed"),
                ],
                "list",
                "the nodes that are meant",
            ),
            method(
                "diff",
                &[required("other", "trace", "another trace")],
                "difference",
                "what differs, node by node",
            ),
            method(
                "fork",
                &[
                    required("at", "node | int | str", "the call that is changed"),
                    option("reply", "str | map", "it is answered this"),
                    option("lm", "lm | str", "this model answers it"),
                    option("instructions", "str", "it is told to do this"),
                    option(
                        "prompt",
                        "str | list",
                        "sent in place of the last message, or of all",
                    ),
                ],
                "reply",
                "of one reply: its call made again with one call of a model changed",
            ),
            method("show", &[], "str", "the course as a tree, in full"),
            method("canonical", &[], "str", "the course without times and ids"),
            method("to_mermaid", &[], "str", "the graph as a Mermaid diagram"),
            method("to_json", &[], "str", "the graph as JSON"),
        ],
        open: false,
    },
    Object {
        name: "Node",
        fields: &[
            field("id", "int", "its number in the trace"),
            field("kind", "str", "`lm`, `module`, `retrieval`, `assert` …"),
            field("name", "str", "the signature, the module, the condition"),
            field("path", "str", "where in the program"),
            field("inputs", "map", "what went in"),
            field("outputs", "map", "what came out; nothing where it failed"),
            field("error", "str", "why it failed"),
            field("parent", "int", "the number of the node in whose course it happened"),
            field("parents", "list", "the nodes in whose course it happened, innermost first"),
            field("children", "list", "the nodes that happened in its course"),
            field("inputs_from", "list", "where its inputs came from: `node output input via`"),
            field("used_by", "list", "where its outputs went: `node output input via`"),
            field(
                "attempts",
                "list",
                "each request: `model prompt reply error cached read_freely`",
            ),
            field("prompt", "str", "what the model was sent last"),
            field("reply", "str", "what it wrote"),
            field("cost", "map", "what it took, with all in its course"),
            field("retry_of", "int", "the number of an earlier attempt at the same"),
            field("replayed", "bool", "whether an earlier attempt's reply served"),
            field("began", "float", "when, in seconds; no two runs say the same"),
            field("took", "float", "how long, in seconds; likewise"),
        ],
        methods: &[],
        open: false,
    },
    Object {
        name: "Difference",
        fields: &[
            field("same", "bool", "whether nothing differs"),
            field("first", "map", "the first nodes that differ: `a b`"),
            field("changed", "list", "nodes of both that differ: `a b fields`"),
            field("only_a", "list", "nodes of the first trace only"),
            field("only_b", "list", "nodes of the other one only"),
        ],
        methods: &[],
        open: false,
    },
];
