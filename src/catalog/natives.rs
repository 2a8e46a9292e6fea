//! The native functions.

use super::{Native, Param, must, option, optional, required};

const SIGNATURE: Param =
    required("signature", "signature | str", "what goes in and what comes out");
const LM: Param = option("lm", "lm | str", "the model to ask instead of the run's");
const TEMPERATURE: Param =
    option("temperature", "float", "how freely the model chooses its words; 0 by default");
const MAX_TOKENS: Param = option("max_tokens", "int", "the longest reply, in tokens");
const ADAPTER: Param =
    option("adapter", "str", "how prompts are laid out and replies are read");
const CACHE: Param =
    option("cache", "bool", "whether an earlier reply to the same prompt serves");
const RETRIES: Param =
    option("retries", "int", "how often a reply that cannot be read is asked again");
const METRIC: Param = must("metric", "metric", "judges a reply: called with (example, reply)");
const THRESHOLD: Param =
    option("threshold", "float", "the score from which a run may become a demo");
const MAX_BOOTSTRAPPED: Param =
    option("max_bootstrapped", "int", "the most demos made from the teacher's runs");
const MAX_LABELED: Param =
    option("max_labeled", "int", "the most demos taken from the data as they are");
const ONLY: Param =
    option("only", "str | list[str]", "the paths of the predictors that may change");
const TEACHER: Param = option("teacher", "program", "the program whose runs become demos");
const THREADS: Param = option("threads", "int", "how many runs go on at once");
const SEED: Param = option("seed", "int", "where randomness starts");
const MAX_CALLS: Param = option("max_calls", "int", "the most calls of models it may spend");
const PREDICTOR: &[Param] = &[SIGNATURE, LM, TEMPERATURE, MAX_TOKENS, ADAPTER, CACHE, RETRIES];
const COMPARED: &[Param] =
    &[required("expected", "any", "what is right"), required("got", "any", "what came")];

const fn native(
    name: &'static str,
    params: &'static [Param],
    result: &'static str,
    doc: &'static str,
    example: &'static str,
) -> Native {
    Native { name, params, variadic: false, extra_named: false, result, doc, example }
}

/// The native functions.
pub const NATIVES: &[Native] = &[
    native(
        "predict",
        PREDICTOR,
        "predictor",
        "asks a model for the outputs of a signature",
        r#"let answer = predict("question -> answer");
print(answer(question: "What is the capital of France?").answer);"#,
    ),
    native(
        "chain_of_thought",
        PREDICTOR,
        "predictor",
        "asks a model to reason before it writes the outputs; the reply has `reasoning` too",
        r#"let answer = chain_of_thought("question -> answer: int");
let reply = answer(question: "What is 6 times 7?");
print(reply.reasoning);"#,
    ),
    native(
        "load",
        &[required(
            "path",
            "str",
            "a jsonl, json, csv, tsv or parquet file, relative to this one",
        )],
        "dataset",
        "reads a data set from a file",
        r#"let data = load("train.jsonl");
print(data.len());"#,
    ),
    native(
        "dataset",
        &[required("rows", "list", "maps, one a row")],
        "dataset",
        "makes a data set of maps",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }]);
print(data[0].answer);"#,
    ),
    native(
        "evaluate",
        &[
            required("program", "program", "what to score"),
            required("data", "dataset", "the examples"),
            METRIC,
            THREADS,
            MAX_CALLS,
        ],
        "evaluation",
        "scores a program on examples",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }]);
let result = evaluate(predict("question -> answer"), data, metric: |e, r| e.answer == r.answer);
print(result.score);"#,
    ),
    native(
        "compare",
        &[
            required("a", "program | evaluation", "the program as it was, or its evaluation"),
            required("b", "program | evaluation", "the program as it is, or its evaluation"),
            optional(
                "data",
                "dataset",
                "examples that neither was chosen on; programs need them",
            ),
            option("metric", "metric", "judges a reply: called with (example, reply)"),
            THREADS,
            MAX_CALLS,
        ],
        "comparison",
        "scores two programs on the same examples and says whether the difference is noise",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }]);
let a = predict("question -> answer");
let b = chain_of_thought("question -> answer");
print(compare(a, b, data, metric: |e, r| e.answer == r.answer));"#,
    ),
    native(
        "lm",
        &[
            required("name", "str", "provider and model, or a name of the settings"),
            TEMPERATURE,
            option("top_p", "float", "the share of likely words to choose from"),
            MAX_TOKENS,
            SEED,
            option("api_base", "str", "the server's address"),
            option("key_env", "str", "the environment variable that holds the key"),
            option("timeout", "float", "seconds to wait for a reply"),
            option("retries", "int", "how often a failed request is sent again"),
        ],
        "lm",
        "names a model and how to ask it",
        r#"let big = lm("openai/gpt-4o", temperature: 0.7);
let answer = predict("question -> answer", lm: big);"#,
    ),
    native(
        "scripted",
        &[required("replies", "list | map", "replies in order, or by predictor path")],
        "lm",
        "a model that answers from a list, for tests",
        r#"let answer = predict("question -> answer", lm: scripted([#{ answer: "Paris" }]));
print(answer(question: "What is the capital of France?").answer);"#,
    ),
    native(
        "labeled_few_shot",
        &[option("k", "int", "how many demos"), SEED],
        "optimizer",
        "puts examples of the data into the prompt as they are",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }]);
let tuned = labeled_few_shot(k: 1).compile(predict("question -> answer"), trainset: data);"#,
    ),
    native(
        "bootstrap_few_shot",
        &[
            METRIC,
            THRESHOLD,
            MAX_BOOTSTRAPPED,
            MAX_LABELED,
            option("max_rounds", "int", "how often an example is tried"),
            TEACHER,
            ONLY,
            THREADS,
            SEED,
            MAX_CALLS,
        ],
        "optimizer",
        "makes demos of the program's own runs that score well",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }]);
let right = |example, reply| example.answer == reply.answer;
let tuned = bootstrap_few_shot(metric: right, max_calls: 10)
    .compile(predict("question -> answer"), trainset: data);"#,
    ),
    native(
        "random_search",
        &[
            METRIC,
            THRESHOLD,
            option("candidates", "int", "how many sets of demos are tried"),
            option("stop_at", "float", "the score that is good enough"),
            MAX_BOOTSTRAPPED,
            MAX_LABELED,
            option("max_rounds", "int", "how often an example is tried"),
            TEACHER,
            ONLY,
            THREADS,
            SEED,
            MAX_CALLS,
        ],
        "optimizer",
        "tries several sets of demos and keeps the one that scores best",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }]);
let right = |example, reply| example.answer == reply.answer;
let tuned = random_search(metric: right, candidates: 4, max_calls: 50)
    .compile(predict("question -> answer"), trainset: data, valset: data);"#,
    ),
    native(
        "index",
        &[
            required("from", "str | list | dataset", "a file, texts or rows"),
            option("by", "str", "how passages are found: \"bm25\""),
            option("field", "str", "the column that holds the text"),
        ],
        "index",
        "makes texts searchable",
        r#"const facts = index(["Paris is in France.", "Rome is in Italy."], by: "bm25");
print(retrieve(1, from: facts)("France").passages);"#,
    ),
    native(
        "retrieve",
        &[optional("k", "int", "how many passages"), must("from", "index", "where to look")],
        "retriever",
        "finds passages: called with a query, it replies with `passages`",
        r#"let search = retrieve(2, from: index(["Paris is in France.", "Rome is in Italy."]));
print(search("Italy").passages[0]);"#,
    ),
    native(
        "exact_match",
        COMPARED,
        "bool",
        "whether two texts are equal but for case, articles, punctuation and spaces",
        r#"print(exact_match("The Beatles", "beatles"));"#,
    ),
    native(
        "f1",
        COMPARED,
        "float",
        "how far the words of two texts overlap, from 0 to 1",
        r#"print(f1("the red car", "a red bus"));"#,
    ),
    native(
        "contains_match",
        COMPARED,
        "bool",
        "whether the expected text stands somewhere in the other, words compared as by `exact_match`",
        r#"print(contains_match("Paris", "It is Paris, of course."));"#,
    ),
    native(
        "trace",
        &[optional("reply", "reply", "whose history; without it the run's so far")],
        "trace",
        "what happened: calls, prompts, replies, and what came from what",
        r#"let reply = predict("question -> answer")(question: "Who wrote Dune?");
print(trace(reply));"#,
    ),
    native(
        "cost",
        &[optional(
            "reply",
            "reply | evaluation",
            "whose spending; without it the run's so far",
        )],
        "map",
        "what it took: calls, tokens, seconds",
        r#"let reply = predict("question -> answer")(question: "Who wrote Dune?");
print(cost(reply).calls);"#,
    ),
    native(
        "warnings",
        &[optional("reply", "reply", "whose warnings; without it the run's so far")],
        "list[str]",
        "what went not quite as meant: failed suggestions, liberties taken with a reply",
        r#"let reply = predict("question -> answer")(question: "Who wrote Dune?");
for warning in warnings(reply) { print(warning); }"#,
    ),
    native(
        "sleep",
        &[required("seconds", "float | int", "how long")],
        "nothing",
        "waits",
        "sleep(0.1);",
    ),
    Native {
        variadic: true,
        ..native(
            "print",
            &[optional("value", "any", "what to show")],
            "nothing",
            "writes values to the standard output, with spaces between and a line end",
            r#"print("the answer is", 42);"#,
        )
    },
    Native {
        variadic: true,
        ..native(
            "debug",
            &[optional("value", "any", "what to show")],
            "nothing",
            "writes values to the standard error, as the language would write them",
            r#"debug("the answer", #{ is: 42 });"#,
        )
    },
];
