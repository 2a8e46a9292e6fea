//! The native functions.

use super::{Native, Param, must, option, optional, required};

const SIGNATURE: Param =
    required("signature", "signature | str", "what goes in and what comes out");
const LM: Param = option("lm", "lm | str", "the model to ask instead of the run's");
const TEMPERATURE: Param =
    option("temperature", "float", "how freely the model chooses its words; 0 by default");
const MAX_TOKENS: Param = option("max_tokens", "int", "the longest reply, in tokens");
const ADAPTER: Param =
    option("adapter", "str | adapter", "how prompts are laid out and replies are read");
const CACHE: Param =
    option("cache", "bool", "whether an earlier reply to the same prompt serves");
const RETRIES: Param =
    option("retries", "int", "how often a reply that cannot be read is asked again");
const N: Param = option("n", "int", "how many replies are wanted; `completions` has them all");
const LOGPROBS: Param = option(
    "logprobs",
    "int",
    "tells how likely the tokens were, with so many of the likeliest at each place",
);
const METRIC: Param = must("metric", "metric", "judges a reply: called with (example, reply)");
const THRESHOLD: Param =
    option("threshold", "float", "the score from which a run may become a demo");
const MAX_BOOTSTRAPPED: Param =
    option("max_bootstrapped", "int", "the most demos made from the teacher's runs");
const MAX_LABELED: Param =
    option("max_labeled", "int", "the most demos taken from the data as they are");
const ONLY: Param =
    option("only", "str | list[str]", "the paths of the predictors that may change");
const PROPOSER: Param = option(
    "proposer",
    "lm | str",
    "the model that proposes; the usual one where none is named",
);
const TEACHER: Param = option("teacher", "program", "the program whose runs become demos");
const THREADS: Param = option("threads", "int", "how many runs go on at once");
const SEED: Param = option("seed", "int", "where randomness starts");
const MAX_CALLS: Param = option("max_calls", "int", "the most calls of models it may spend");
const MOST_TOKENS: Param =
    option("max_tokens", "int", "the most tokens that models may read and write");
const MAX_USD: Param = option("max_usd", "float", "the most dollars it may spend");
const MAX_SECONDS: Param =
    option("max_seconds", "float", "after so long nothing more is begun");
const MEDIUM: &[Param] = &[
    required("from", "str", "a file relative to this one, a URL or a `data:` URI"),
    option("mime", "str", "its type, where content and name do not tell"),
];
const PREDICTOR: &[Param] =
    &[SIGNATURE, LM, TEMPERATURE, MAX_TOKENS, ADAPTER, CACHE, RETRIES, N, LOGPROBS];
const ATTEMPTED: &[Param] = &[
    required("program", "program", "what is asked"),
    must("metric", "metric", "judges a reply: called with (inputs, reply)"),
    option("n", "int", "the most attempts; 3 by default"),
    option("threshold", "float", "the score that is good enough; 1 by default"),
];
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
        r#"let answer = predict("question -> answer", lm: scripted([#{ answer: "Paris" }]));
print(answer(question: "What is the capital of France?").answer);
//> Paris"#,
    ),
    native(
        "chain_of_thought",
        PREDICTOR,
        "predictor",
        "asks a model to reason before it writes the outputs; the reply has `reasoning` too",
        r#"let answer = chain_of_thought("question -> answer: int", lm: scripted([
    #{ reasoning: "7 and 7 and 7 and 7 and 7 and 7.", answer: 42 },
]));
let reply = answer(question: "What is 6 times 7?");
print(reply.reasoning, reply.answer);
//> 7 and 7 and 7 and 7 and 7 and 7. 42"#,
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
        r#"// train.jsonl holds one line: {"question": "1+1?", "answer": "2"}
let data = load("train.jsonl");
print(data.len(), data[0].question);
//> 1 1+1?"#,
    ),
    native(
        "dataset",
        &[required("rows", "list", "maps, one a row")],
        "dataset",
        "makes a data set of maps",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }]);
print(data.len(), data[0].answer);
//> 1 2"#,
    ),
    native(
        "evaluate",
        &[
            required("program", "program", "what to score"),
            required("data", "dataset", "the examples"),
            METRIC,
            THREADS,
            MAX_CALLS,
            MOST_TOKENS,
            MAX_USD,
            MAX_SECONDS,
        ],
        "evaluation",
        "scores a program on examples",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }, #{ question: "2+2?", answer: "4" }]);
let model = scripted(#{ "self#0": #{ answer: "2" }, "self#1": #{ answer: "5" } });
let program = predict("question -> answer", lm: model);
let result = evaluate(program, data, metric: |example, reply| example.answer == reply.answer);
print(result.score, result.rows[1].reply.answer);
//> 0.5 5"#,
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
            MOST_TOKENS,
            MAX_USD,
            MAX_SECONDS,
        ],
        "comparison",
        "scores two programs on the same examples and says whether the difference is noise",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }, #{ question: "2+2?", answer: "4" }]);
let a = predict("question -> answer", lm: scripted(#{ "self#0": #{ answer: "2" }, "self#1": #{ answer: "5" } }));
let b = predict("question -> answer", lm: scripted(#{ "self#0": #{ answer: "2" }, "self#1": #{ answer: "4" } }));
print(compare(a, b, data, metric: |example, reply| example.answer == reply.answer));
//> before   0.500, 95 % interval 0.013 to 0.987 (exact, 2 rows)
//> after    1.000, 95 % interval 0.158 to 1.000 (exact, 2 rows)
//> gain     +0.500, 95 % interval -0.473 to +0.987 (from exact intervals, 2 pairs)
//> test     p = 1.0000 (exact McNemar test; 1 better, 0 worse, 1 the same)
//> verdict  no reliable gain
//> advice   a gain of this size would show on about 16 rows"#,
    ),
    native(
        "lm",
        &[
            required(
                "name",
                "str | list[str]",
                "provider and model, or a name of the settings; of several the next is asked where one cannot answer",
            ),
            TEMPERATURE,
            option("top_p", "float", "the share of likely words to choose from"),
            MAX_TOKENS,
            SEED,
            option(
                "effort",
                "str",
                "how much a model that reasons thinks: none, minimal, low, medium or high",
            ),
            option(
                "api",
                "str",
                "the server's interface: chat, responses, anthropic, gemini or ollama",
            ),
            option("api_base", "str", "the server's address"),
            option("key_env", "str", "the environment variable that holds the key"),
            option("timeout", "float", "seconds to wait for a reply"),
            option("connect_timeout", "float", "seconds to wait for a connection"),
            option("first_token", "float", "seconds to wait until the reply begins"),
            option("rate", "float", "how many requests a minute are sent at most"),
            option("pick", "str", "`first`, or `round_robin`: each call begins with the next"),
            option("hedge", "float", "seconds after which a request is sent a second time"),
            option("retries", "int", "how often a failed request is sent again"),
        ],
        "lm",
        "names a model and how to ask it",
        r#"let big = lm("ollama/llama3.1", temperature: 0.7);
let answer = predict("question -> answer", lm: big);
print(big.name);
//> ollama/llama3.1"#,
    ),
    native(
        "adapter",
        &[required(
            "parts",
            "map",
            "texts: `system`, `user`, `reply`, `demo_user`, `demo_reply`; or a `layout`",
        )],
        "adapter",
        "a layout of prompts and replies of your own, with `{placeholders}`",
        r#"let short = adapter(#{
    user: "{instructions}\nQ: {question}",
    reply: "A: {answer}",
});
let ask = predict("question -> answer 'one word'", adapter: short, lm: scripted(["A: Paris"]));
print(ask(question: "The capital of France?").answer);
print(ask.prompt(question: "And of Italy?"));
//> Paris
//> --- user
//> Q: And of Italy?"#,
    ),
    native(
        "two_step",
        &[option(
            "extract",
            "lm | str",
            "the model that reads what the first one wrote; the same by default",
        )],
        "adapter",
        "a model answers in its own words, and what it wrote is read by another question",
        r#"let reader = scripted(["[[ ## answer ## ]]\n42"]);
let ask = predict("question -> answer: int", adapter: two_step(extract: reader), lm: scripted([
    "Six sevens are forty-two.",
]));
let reply = ask(question: "What is 6 times 7?");
print(reply.answer, cost(reply).calls);
//> 42 2"#,
    ),
    native(
        "scripted",
        &[required("replies", "list | map", "replies in order, or by predictor path")],
        "lm",
        "a model that answers from a list, for tests",
        r#"let answer = predict("question -> answer", lm: scripted([#{ answer: "Paris" }, "[[ ## answer ## ]]\nRome"]));
print(answer(question: "The capital of France?").answer, answer(question: "And of Italy?").answer);
let by_place = scripted(#{ "self#0": #{ answer: "first row" }, "self#1": #{ answer: "second row" } });
//> Paris Rome"#,
    ),
    native(
        "labeled_few_shot",
        &[option("k", "int", "how many demos"), SEED],
        "optimizer",
        "puts examples of the data into the prompt as they are",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }]);
let program = predict("question -> answer", lm: scripted([]));
print(labeled_few_shot(k: 1).compile(program, trainset: data).demos);
//> [#{"answer": "2", "question": "1+1?"}]"#,
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
            MOST_TOKENS,
            MAX_USD,
            MAX_SECONDS,
        ],
        "optimizer",
        "makes demos of the program's own runs that score well",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }, #{ question: "2+2?", answer: "4" }]);
let program = predict("question -> answer", lm: scripted(#{ "self#0": #{ answer: "2" }, "self#1": #{ answer: "5" } }));
let right = |example, reply| example.answer == reply.answer;
let tuned = bootstrap_few_shot(metric: right, max_bootstrapped: 1, max_labeled: 0, max_calls: 10).compile(program, trainset: data);
print(tuned.demos);
//> [#{"answer": "2", "question": "1+1?"}]"#,
    ),
    native(
        "random_search",
        &[
            METRIC,
            THRESHOLD,
            option("candidates", "int", "how many sets of demos are tried"),
            option("stop_at", "float", "the score that is good enough"),
            option("race", "str", "drops candidates early: \"halving\" or \"test\""),
            MAX_BOOTSTRAPPED,
            MAX_LABELED,
            option("max_rounds", "int", "how often an example is tried"),
            TEACHER,
            ONLY,
            THREADS,
            SEED,
            MAX_CALLS,
            MOST_TOKENS,
            MAX_USD,
            MAX_SECONDS,
        ],
        "optimizer",
        "tries several sets of demos and keeps the one that scores best",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }, #{ question: "2+0?", answer: "2" }]);
let program = predict("question -> answer", lm: scripted(#{ self: #{ answer: "2" } }));
let right = |example, reply| example.answer == reply.answer;
let tuned = random_search(metric: right, candidates: 2, max_bootstrapped: 1, max_calls: 50)
    .compile(program, trainset: data.take(1), valset: data.slice(1));
print(tuned.demos.len());
//> 0"#,
    ),
    native(
        "simba",
        &[
            METRIC,
            option("minibatch", "int", "how many rows a step sees"),
            option(
                "candidates",
                "int",
                "how often a row is run, and how many changes a step tries",
            ),
            option("steps", "int", "how many steps there are"),
            option(
                "max_demos",
                "int",
                "about how many demos a predictor has; 0 is advice only",
            ),
            option("proposer_temperature", "float", "how freely advice is given"),
            PROPOSER,
            TEACHER,
            ONLY,
            THREADS,
            SEED,
            MAX_CALLS,
            MOST_TOKENS,
            MAX_USD,
            MAX_SECONDS,
        ],
        "optimizer",
        "runs rows several times, and adds the best run as a demo or advice from the best and the worst",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }, #{ question: "2+2?", answer: "4" }, #{ question: "0+2?", answer: "2" }]);
let program = predict("question -> answer", lm: scripted(#{ self: #{ answer: "2" } }));
let advice = #{ reasoning: "One run is wrong.", advice: [#{ step: "self", advice: "Add the numbers." }] };
let right = |example, reply| example.answer == reply.answer;
let tuned = simba(metric: right, steps: 1, candidates: 2, proposer: scripted(#{ "proposer.Advice": advice }), max_calls: 90)
    .compile(program, trainset: data.take(2), valset: data.slice(2));
print(tuned.demos.len());
//> 0"#,
    ),
    native(
        "infer_rules",
        &[
            METRIC,
            THRESHOLD,
            option("candidates", "int", "how many sets of rules are tried"),
            option("rules", "int", "the most rules of a predictor"),
            MAX_BOOTSTRAPPED,
            MAX_LABELED,
            option("max_rounds", "int", "how often an example is tried"),
            option("proposer_temperature", "float", "how freely rules are proposed"),
            PROPOSER,
            TEACHER,
            ONLY,
            THREADS,
            SEED,
            MAX_CALLS,
            MOST_TOKENS,
            MAX_USD,
            MAX_SECONDS,
        ],
        "optimizer",
        "has rules read off solved examples, and adds those to the instructions that score best",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }, #{ question: "2+0?", answer: "2" }]);
let program = predict("question -> answer", lm: scripted(#{ self: #{ answer: "2" } }));
let rules = #{ reasoning: "Sums.", rules: ["Write the sum in digits."] };
let right = |example, reply| example.answer == reply.answer;
let tuned = infer_rules(metric: right, candidates: 1, max_bootstrapped: 1, proposer: scripted(#{ "proposer.Rules": rules }), max_calls: 50)
    .compile(program, trainset: data.take(1), valset: data.slice(1));
print(tuned.instructions);
//> From `question`, write `answer`."#,
    ),
    native(
        "copro",
        &[
            METRIC,
            option("breadth", "int", "how many instructions of a predictor a round has"),
            option("depth", "int", "how many rounds there are"),
            option("proposer_temperature", "float", "how freely instructions are proposed"),
            PROPOSER,
            TEACHER,
            ONLY,
            THREADS,
            SEED,
            MAX_CALLS,
            MOST_TOKENS,
            MAX_USD,
            MAX_SECONDS,
        ],
        "optimizer",
        "has instructions proposed, scores them, and shows the scores to who proposes more",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }, #{ question: "2+0?", answer: "2" }]);
module Solve() {
    let answer = predict("question -> answer", lm: scripted(#{ answer: #{ answer: "2" } }));
    fn forward(question) { answer(question) }
}
let proposer = scripted(#{ "proposer.FirstInstructions": #{ proposed_instruction: "Write the sum in digits." } });
let right = |example, reply| example.answer == reply.answer;
let tuned = copro(metric: right, breadth: 2, depth: 1, proposer: proposer, max_calls: 50)
    .compile(Solve(), trainset: data.take(1), valset: data.slice(1));
print(tuned.answer.instructions);
//> From `question`, write `answer`."#,
    ),
    native(
        "mipro_v2",
        &[
            METRIC,
            option("auto", "str", "how large: \"light\", \"medium\" or \"heavy\""),
            option("candidates", "int", "how many instructions and how many sets of demos"),
            option("trials", "int", "how many combinations of them are tried"),
            THRESHOLD,
            MAX_BOOTSTRAPPED,
            MAX_LABELED,
            option("max_rounds", "int", "how often an example is tried"),
            option("minibatch", "int", "the rows of a trial where there are many; 0 is all"),
            option("full_every", "int", "after so many trials one is scored on all rows"),
            option("at_once", "int", "how many trials go on at once"),
            option("proposer_temperature", "float", "how freely instructions are proposed"),
            PROPOSER,
            TEACHER,
            ONLY,
            THREADS,
            SEED,
            MAX_CALLS,
            MOST_TOKENS,
            MAX_USD,
            MAX_SECONDS,
        ],
        "optimizer",
        "proposes instructions from program and data, and chooses them together with demos",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }, #{ question: "2+0?", answer: "2" }]);
let program = predict("question -> answer", lm: scripted(#{ self: #{ answer: "2" } }));
let proposer = scripted(#{
    "proposer.DataNotes": #{ notes: "Sums." },
    "proposer.ProgramDescription": #{ description: "It adds." },
    "proposer.GroundedInstructions": #{ proposed_instruction: "Write the sum in digits." },
});
let right = |example, reply| example.answer == reply.answer;
let tuned = mipro_v2(metric: right, candidates: 2, trials: 3, proposer: proposer, max_calls: 50)
    .compile(program, trainset: data.take(1), valset: data.slice(1));
print(tuned.instructions);
//> From `question`, write `answer`."#,
    ),
    native(
        "gepa",
        &[
            METRIC,
            option("auto", "str", "how long: \"light\", \"medium\" or \"heavy\""),
            option("rounds", "int", "how many proposals, instead of `auto`"),
            option("minibatch", "int", "how many rows a proposal is made from and tried on"),
            option("at_once", "int", "how many proposals are made at once"),
            option(
                "components",
                "str | list[str]",
                "what evolves: \"instructions\", \"descriptions\", \"demos\"",
            ),
            option("select", "str", "what a proposal changes: \"turns\" or \"all\""),
            option("merges", "int", "how many combinations are kept at most"),
            option(
                "front",
                "str",
                "what candidates are best of: \"rows\", \"scores\" or \"both\"",
            ),
            option("max_demos", "int", "the most demos of a predictor"),
            option("proposer_temperature", "float", "how freely the model proposes"),
            PROPOSER,
            ONLY,
            THREADS,
            SEED,
            MAX_CALLS,
            MOST_TOKENS,
            MAX_USD,
            MAX_SECONDS,
        ],
        "optimizer",
        "has instructions reflected on, a few runs at a time, and keeps what helps",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }, #{ question: "2+0?", answer: "2" }]);
module Solve() {
    let answer = predict("question -> answer", lm: scripted(#{ answer: #{ answer: "two" } }));
    fn forward(question) { answer(question) }
}
let proposer = scripted(#{ "proposer.ReflectedInstructions": #{
    diagnosis: "words", new_instruction: "Write digits."
} });
let right = |example, reply| #{ score: example.answer == reply.answer, feedback: `it is ${example.answer}` };
let tuned = gepa(metric: right, rounds: 1, proposer: proposer, max_calls: 50)
    .compile(Solve(), trainset: data.take(1), valset: data.slice(1));
print(tuned.answer.instructions);
//> From `question`, write `answer`."#,
    ),
    native(
        "tune",
        &[
            METRIC,
            option(
                "prefer",
                "str",
                "the choice between like ones: \"best\", \"balanced\" or \"cheapest\"",
            ),
            option("adapters", "str | list[str]", "adapters to try"),
            option("models", "str | list[str]", "models to try besides the program's own"),
            option("max_demos", "int", "the most demos of a predictor"),
            MAX_BOOTSTRAPPED,
            option("at_once", "int", "how many candidates are tried at once"),
            option("patience", "int", "after so many rounds without a better one it ends"),
            option("proposer_temperature", "float", "how freely the model proposes"),
            PROPOSER,
            TEACHER,
            ONLY,
            THREADS,
            SEED,
            MAX_CALLS,
            MOST_TOKENS,
            MAX_USD,
            MAX_SECONDS,
        ],
        "optimizer",
        "searches over demos, instructions, descriptions, adapters and models under one budget",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }, #{ question: "2+0?", answer: "2" }]);
let program = predict("question -> answer", lm: scripted(#{ self: #{ answer: "2" } }));
let right = |example, reply| example.answer == reply.answer;
let tuned = tune(metric: right, max_calls: 50)
    .compile(program, trainset: data.take(1), valset: data.slice(1));
print(tuned.demos.len());
//> 0"#,
    ),
    native(
        "better_together",
        &[
            optional(
                "strategy",
                "str",
                "steps and their order: \"demos -> instructions -> demos\"",
            ),
            METRIC,
            option("steps", "map", "optimizers by the names that the strategy has"),
            PROPOSER,
            TEACHER,
            ONLY,
            THREADS,
            SEED,
            MAX_CALLS,
            MOST_TOKENS,
            MAX_USD,
            MAX_SECONDS,
        ],
        "optimizer",
        "runs several optimizers, each from the best that was found so far",
        r#"let data = dataset([#{ question: "1+1?", answer: "2" }, #{ question: "2+0?", answer: "2" }]);
let program = predict("question -> answer", lm: scripted(#{ self: #{ answer: "2" } }));
let right = |example, reply| example.answer == reply.answer;
let steps = #{ few: labeled_few_shot(k: 1), more: bootstrap_few_shot(metric: right, max_bootstrapped: 1) };
let tuned = better_together("few -> more", metric: right, steps: steps, max_calls: 50)
    .compile(program, trainset: data.take(1), valset: data.slice(1));
print(tuned.demos.len());
//> 0"#,
    ),
    native(
        "index",
        &[
            required("from", "str | list | dataset", "a file, texts or rows"),
            option("by", "str", "how passages are found: \"bm25\", \"embedding\" or \"both\""),
            option("field", "str", "the column that holds the text"),
            option("lm", "lm | str", "the model that embeds"),
        ],
        "index",
        "makes texts searchable",
        r#"const facts = index(["Paris is in France.", "Rome is in Italy."], by: "bm25");
print(facts.len(), retrieve(1, from: facts)("France").passages);
//> 2 ["Paris is in France."]"#,
    ),
    native(
        "embed",
        &[
            required(
                "lm",
                "lm | str",
                "a model that embeds, such as \"openai/text-embedding-3-small\"",
            ),
            required("texts", "str | list[str]", "what to embed"),
        ],
        "list",
        "the vectors of texts, from the store where it has them; of one text its vector",
        r#"let vectors = embed(scripted([]), ["a red car", "a red bus"]);
print(vectors.len(), vectors[0].len(), vectors[0] == embed(scripted([]), "a red car"));
//> 2 256 true"#,
    ),
    native(
        "retrieve",
        &[optional("k", "int", "how many passages"), must("from", "index", "where to look")],
        "retriever",
        "finds passages: called with a query, it replies with `passages`",
        r#"let search = retrieve(1, from: index(["Paris is in France.", "Rome is in Italy."]));
print(search("Italy").passages[0]);
//> Rome is in Italy."#,
    ),
    native(
        "exact_match",
        COMPARED,
        "bool",
        "whether two texts are equal but for case, articles, punctuation and spaces",
        r#"print(exact_match("The Beatles", "beatles"), exact_match("Paris", "Rome"));
//> true false"#,
    ),
    native(
        "f1",
        COMPARED,
        "float",
        "how far the words of two texts overlap, from 0 to 1",
        r#"print(f1("the red car", "a red bus"));
//> 0.5"#,
    ),
    native(
        "contains_match",
        COMPARED,
        "bool",
        "whether the expected text stands somewhere in the other, words compared as by `exact_match`",
        r#"print(contains_match("Paris", "It is Paris, of course."));
//> true"#,
    ),
    native(
        "normalized",
        &[required("text", "any", "what is to be compared")],
        "str",
        "a text as answers are compared: lower case, no articles, punctuation and surplus spaces",
        r#"print(normalized("The Beatles!"));
//> beatles"#,
    ),
    native(
        "passage_match",
        &[
            required("expected", "any", "what is right, or a list of which any will do"),
            required("passages", "str | list[str]", "where to look"),
        ],
        "bool",
        "whether a passage holds the expected text, word for word",
        r#"print(passage_match("Rome", ["Rome is in Italy."]));
//> true"#,
    ),
    native(
        "order_of",
        &[
            required("items", "list", "numbers, texts or bools"),
            option("descending", "bool", "whether the largest comes first"),
        ],
        "list[int]",
        "the places of the items in their order",
        r#"print(order_of(["b", "a"]));
//> [1, 0]"#,
    ),
    native(
        "first_places",
        &[required("items", "list", "any data")],
        "list[int]",
        "the places of the items that no equal one stands before",
        "print(first_places([1, 2, 1]));
//> [0, 1]",
    ),
    native(
        "total_of",
        &[required("items", "list[float | int]", "numbers")],
        "float | int",
        "the sum of numbers",
        "print(total_of([1, 2.5]));
//> 3.5",
    ),
    native(
        "mean_of",
        &[required("items", "list[float | int]", "numbers, at least one")],
        "float",
        "the mean of numbers",
        "print(mean_of([1, 2]));
//> 1.5",
    ),
    native(
        "found_in",
        &[
            required("text", "str", "where to look"),
            required("pattern", "str", "a regular expression"),
            option("limit", "int", "the most that is found"),
        ],
        "list[str]",
        "what a pattern finds in a text, or what its first group holds",
        r#"print(found_in("a1 b2", "[a-z]([0-9])"));
//> ["1", "2"]"#,
    ),
    native(
        "trace",
        &[optional("reply", "reply", "whose history; without it the run's so far")],
        "trace",
        "what happened: calls, prompts, replies, and what came from what",
        r#"let reply = predict("question -> answer", lm: scripted([#{ answer: "Herbert" }]))(question: "Who wrote Dune?");
print(trace(reply).nodes.map(|it| `${it.kind} ${it.path}`));
//> ["lm self"]"#,
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
        r#"let reply = predict("question -> answer", lm: scripted([#{ answer: "Herbert" }]))(question: "Who wrote Dune?");
print(cost(reply).calls, cost().calls);
//> 1 1"#,
    ),
    native(
        "warnings",
        &[optional("reply", "reply", "whose warnings; without it the run's so far")],
        "list[str]",
        "what went not quite as meant: failed suggestions, liberties taken with a reply",
        r#"let reply = predict("question -> n: int", lm: scripted(["Sure: {\"n\": 3,}"]))(question: "How many?");
for warning in warnings(reply) { print(warning); }
//> text around JSON
//> stray commas"#,
    ),
    native(
        "best_of",
        ATTEMPTED,
        "program",
        "asks up to `n` times and keeps the reply that a metric likes best; ends at `threshold`",
        r#"let writer = scripted([#{ answer: "The novel was written by Frank Herbert." }, #{ answer: "Frank Herbert" }]);
let short = |inputs, reply| reply.answer.len() < 20;
let answer = best_of(predict("question -> answer", lm: writer), metric: short, n: 3);
print(answer(question: "Who wrote Dune?").answer);
//> Frank Herbert"#,
    ),
    native(
        "refine",
        ATTEMPTED,
        "program",
        "as `best_of`, but a model reads each attempt that is not good enough and advises the next",
        r#"let writer = scripted([#{ answer: "The novel was written by Frank Herbert." }, #{ advice: "Give the name only." }, #{ answer: "Frank Herbert" }]);
let short = |inputs, reply| #{ score: reply.answer.len() < 20, feedback: "be short" };
let answer = refine(predict("question -> answer", lm: writer), metric: short, n: 3);
print(answer(question: "Who wrote Dune?").answer);
//> Frank Herbert"#,
    ),
    native(
        "majority",
        &[
            required("of", "program | reply | list", "a program, or replies that there are"),
            option("n", "int", "how often the program is asked; 5 by default"),
            option("field", "str", "the output that is counted; the last without it"),
        ],
        "program | reply",
        "the most frequent of several replies, texts compared as by `exact_match`",
        r#"let writer = scripted([#{ answer: "42" }, #{ answer: "48" }, #{ answer: "42" }]);
let answer = majority(predict("question -> answer", lm: writer), n: 3);
print(answer(question: "What is 6 times 7?").answer);
//> 42"#,
    ),
    native(
        "ensemble",
        &[
            required("programs", "list", "what is asked, all with the same inputs"),
            option("reduce", "fn", "makes one reply of the list; `majority` without it"),
        ],
        "program",
        "asks several programs and makes one reply of theirs",
        r#"let answer = predict("question -> answer", lm: scripted([#{ answer: "42" }, #{ answer: "42" }, #{ answer: "48" }]));
let all = ensemble([answer, answer, answer]);
print(all(question: "What is 6 times 7?").answer);
//> 42"#,
    ),
    native(
        "completions",
        &[required("reply", "reply", "what was chosen")],
        "list",
        "the replies that a reply was chosen from, or that came with it; itself where it was alone",
        r#"let answer = predict("question -> answer", lm: scripted([#{ answer: "Herbert" }, #{ answer: "Frank Herbert" }]));
let reply = answer.sample(2, question: "Who wrote Dune?");
for it in completions(reply) { print(it.answer); }
//> Herbert
//> Frank Herbert"#,
    ),
    native(
        "reasoning",
        &[required("reply", "reply", "of a predictor")],
        "any",
        "what the model thought before it wrote a reply; nothing where none was told",
        r#"let answer = predict("question -> answer", lm: scripted([#{ answer: "Paris" }]));
print(reasoning(answer(question: "The capital of France?")) ?? "a scripted model has no thoughts");
//> a scripted model has no thoughts"#,
    ),
    native(
        "logprobs",
        &[required("reply", "reply", "of a predictor with `logprobs: …`")],
        "any",
        "a map for each token of a reply, with `token`, `logprob` and `top`; nothing where none are told",
        r#"let answer = predict("question -> answer", logprobs: 3, lm: scripted([#{ answer: "Paris" }]));
print(logprobs(answer(question: "The capital of France?")) ?? "a scripted model tells none");
//> a scripted model tells none"#,
    ),
    native(
        "logprob",
        &[required("reply", "reply", "of a predictor with `logprobs: …`")],
        "any",
        "how likely the whole reply was: the sum over its tokens, a natural logarithm; nothing where none are told",
        r#"let answer = predict("question -> answer", logprobs: 0, lm: scripted([#{ answer: "Paris" }]));
print(logprob(answer(question: "The capital of France?")) ?? "a scripted model tells none");
//> a scripted model tells none"#,
    ),
    native(
        "complete",
        &[required("part", "reply", "what a stream gave, or a reply")],
        "list[str]",
        "the names of the fields that have ended, of a reply that is still being written",
        r#"let poem = predict("topic -> title, lines: list[str]", lm: scripted([
    #{ title: "Rain", lines: ["It falls."] },
]));
let stream = poem.stream(topic: "rain");
for part in stream { print(part.title, complete(part)); }
print(stream.reply.lines);
//>  []
//> Rain ["title", "lines"]
//> Rain ["title", "lines"]
//> ["It falls."]"#,
    ),
    native(
        "history",
        &[optional("turns", "list", "replies, or maps of inputs and outputs")],
        "history",
        "the turns of a conversation; `h += reply` adds one, with the inputs of its call",
        r#"let chat = predict("log: history, question -> answer", lm: scripted([#{ answer: "Herbert" }, #{ answer: "1965" }]));
let log = history();
log += chat(log, question: "Who wrote Dune?");
print(chat(log, question: "And when?").answer, log.len());
//> 1965 1"#,
    ),
    native(
        "image",
        MEDIUM,
        "image",
        "a picture for inputs of type `image`; what is at a URL the provider fetches",
        r#"let dot = image("data:image/gif;base64,R0lGODlhAQABAAAAACw=");
let describe = predict("photo: image -> caption", lm: scripted([#{ caption: "A dot." }]));
print(dot.mime, dot.size, describe(photo: dot).caption);
//> image/gif 14 A dot."#,
    ),
    native(
        "audio",
        MEDIUM,
        "audio",
        "a sound for inputs of type `audio`",
        r#"let call = audio("https://example.com/calls/17.mp3");
print(call.mime, call.name, call);
//> audio/mpeg 17.mp3 [audio audio/mpeg https://example.com/calls/17.mp3]"#,
    ),
    native(
        "file",
        MEDIUM,
        "file",
        "a document for inputs of type `file`",
        r#"let note = file("data:text/plain;base64,SGVsbG8=");
print(note.kind, note.mime, note.size);
//> file text/plain 5"#,
    ),
    native(
        "parallel_map",
        &[
            required("items", "list | dataset | range", "what to go through"),
            required(
                "f",
                "fn | program",
                "called with each element; the fields of a map are inputs of a program",
            ),
            option("threads", "int", "how many calls go on at once"),
        ],
        "list",
        "calls a function with each element, several at once; results come in the order of the elements",
        r"print([1, 2, 3].parallel_map(|n| n * 2, threads: 2), parallel_map(0..3, |n| n + 1));
//> [2, 4, 6] [1, 2, 3]",
    ),
    native(
        "parallel",
        &[
            required("calls", "list | map", "closures without parameters"),
            option("threads", "int", "how many calls go on at once"),
        ],
        "list | map",
        "calls several closures at once; results stand where the closures stood",
        r"let both = parallel(#{ a: || 1 + 1, b: || 2 + 2 });
print(both.a + both.b);
//> 6",
    ),
    native(
        "sleep",
        &[required("seconds", "float | int", "how long")],
        "nothing",
        "waits",
        r#"sleep(0.01);
print("done");
//> done"#,
    ),
    Native {
        variadic: true,
        ..native(
            "print",
            &[optional("value", "any", "what to show")],
            "nothing",
            "writes values to the standard output, with spaces between and a line end",
            r#"print("the answer is", 42, [1, "two"]);
//> the answer is 42 [1, "two"]"#,
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
