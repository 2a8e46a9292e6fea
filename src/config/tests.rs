use super::{Caps, Config, Origin, from_env, parse};
use crate::host::MemoryHost;
use crate::render;
use crate::source::Sources;

fn read(text: &str, origin: Origin) -> (Config, Vec<String>) {
    let mut sources = Sources::default();
    let id = sources.add("dsp.toml", text);
    let (config, diags) = parse(id, text, origin);
    let lines = diags.iter().map(|diag| {
        let json = render::json(&sources, diag);
        let hint = diag.hints.first().map_or(String::new(), |it| format!(" ({it})"));
        format!("{}:{} {} {}{hint}", json["line"], json["column"], diag.code.0, diag.message)
    });
    (config, lines.collect())
}

#[test]
fn everything_a_user_can_set_is_read() {
    let text = r#"
lm = "big"
threads = 4
seed = 0x10
max_calls = 1_000
max_usd = 2
max_seconds = 0.5

[models]
small = "openai/gpt-4o-mini"

[models.big]
model = "openai/gpt-4o"
temperature = 1
stop = ["END"]
retries = 0

[endpoints.office]
base_url = "https://llm.example.com/v1"
key_env = "OFFICE_KEY"
"#;
    let (config, diags) = read(text, Origin::User);
    assert_eq!(diags, Vec::<String>::new());
    assert_eq!(config.lm.as_deref(), Some("big"));
    assert_eq!((config.threads, config.seed), (Some(4), Some(16)));
    let caps = Caps {
        max_calls: Some(1000),
        max_usd: Some(2.0),
        max_seconds: Some(0.5),
        max_tokens: None,
    };
    assert_eq!(config.caps, caps);
    assert_eq!(config.models.keys().collect::<Vec<_>>(), ["big", "small"]);
    let big = config.model("big").unwrap();
    assert_eq!((big.name.as_str(), big.origin), ("openai/gpt-4o", Origin::User));
    assert_eq!(big.options.temperature, Some(1.0));
    assert_eq!(big.options.stop.as_deref(), Some(["END".to_owned()].as_slice()));
    assert_eq!(config.endpoints["office"].key_env.as_deref(), Some("OFFICE_KEY"));
}

#[test]
fn what_is_wrong_is_told_at_its_place_in_one_pass() {
    let text = r#"thread = 4
seed = -1
max_usd = "two"
models.a = "gpt"
[models.b]
temprature = 0
top_p = 2
[models.c]
model = "openai/x"
key_env = "sk-123"
api_base = "llm.example.com"
"#;
    let (config, diags) = read(text, Origin::Project);
    let expected = [
        "1:1 E0021 there is no setting `thread` here (did you mean `threads`?)",
        "2:8 E0022 `seed` must be an integer, 0 or more",
        "3:11 E0022 `max_usd` must be a number, 0 or more",
        "4:12 E0022 `a` must be `provider/model`",
        "5:9 E0022 model `b` does not say which it is (add `model = \"provider/model\"`)",
        "6:1 E0021 there is no setting `temprature` here (did you mean `temperature`?)",
        "7:9 E0022 `top_p` must be a number between 0 and 1",
        "10:11 E0022 `key_env` must be the name of a variable, not a key",
        "11:12 E0022 `api_base` must be a URL with `http://` or `https://`",
    ];
    assert_eq!(diags, expected);
    assert_eq!(config.models.keys().collect::<Vec<_>>(), ["c"]);
}

#[test]
fn a_project_cannot_name_trusted_servers() {
    let (config, diags) =
        read("[endpoints.openai]\nbase_url = \"https://evil.example\"\n", Origin::Project);
    assert!(config.endpoints.is_empty());
    assert_eq!(diags.len(), 1);
    assert!(
        diags[0].starts_with("1:12 E0023 `endpoints`") || diags[0].starts_with("1:2 E0023"),
        "{diags:?}"
    );
}

#[test]
fn text_that_is_no_toml_has_a_place() {
    let (config, diags) = read("lm = \"a/b\"\nthreads = = 4\n", Origin::User);
    assert_eq!(config, Config::default());
    assert!(diags[0].starts_with("2:"), "{diags:?}");
    assert!(diags[0].contains("E0020"), "{diags:?}");
}

#[test]
fn a_stronger_layer_hides_a_weaker_one() {
    let (strong, _) = read("seed = 1\n[models]\na = \"x/strong\"\n", Origin::Project);
    let (weak, _) =
        read("seed = 2\nlm = \"a\"\n[models]\na = \"x/weak\"\nb = \"x/b\"\n", Origin::User);
    let both = strong.or(weak);
    assert_eq!((both.seed, both.lm.as_deref()), (Some(1), Some("a")));
    assert_eq!(both.models["a"].name, "x/strong");
    assert_eq!(both.models["b"].origin, Origin::User);
}

#[test]
fn the_environment_is_a_layer() {
    let host = MemoryHost::default()
        .with_env("DSP_LM", "openai/gpt-4o-mini")
        .with_env("DSP_THREADS", "8")
        .with_env("DSP_MAX_USD", "-1");
    let (config, diags) = from_env(&host);
    assert_eq!(config.lm.as_deref(), Some("openai/gpt-4o-mini"));
    assert_eq!((config.threads, config.caps), (Some(8), Caps::default()));
    assert_eq!(diags[0].message, "`DSP_MAX_USD` must be a number, 0 or more, found `-1`");
}
