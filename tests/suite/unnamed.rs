//! The model that answers where nobody names one: it is announced there, and nowhere else.

use dsp_lang::Engine;
use dsp_lang::host::MemoryHost;
use std::sync::Arc;

const MODEL: &str = "local:absent.gguf";

/// What a script tells whose model is not there: on standard error, and its error.
fn told(host: MemoryHost, script: &str) -> (String, String) {
    let host = Arc::new(host);
    let engine = Engine::builder().host(host.clone()).fallback_lm(MODEL).build().unwrap();
    let program = engine.load_text("main.dsp", script).unwrap();
    let error = program.run().result.unwrap_err();
    (host.eprinted(), error.to_string())
}

fn with_key() -> MemoryHost {
    MemoryHost::default().with_env("OPENAI_API_KEY", "sk-1")
}

const UNNAMED: &str = "predict(\"q -> a\")(q: \"?\");";

#[test]
fn it_is_announced_where_nobody_names_a_model() {
    let (said, error) = told(MemoryHost::default(), UNNAMED);
    assert_eq!(said, format!("no model is named: `{MODEL}` answers, in this process\n"));
    assert!(!error.contains("no model is named"), "{error}");
    let (said, error) = told(with_key(), UNNAMED);
    assert_eq!(said, "");
    assert!(error.contains("no model is named, and `OPENAI_API_KEY` is set"), "{error}");
}

#[test]
fn who_names_the_same_model_is_asked_nothing() {
    for named in [
        format!("settings {{ lm: \"{MODEL}\" }}\n{UNNAMED}"),
        format!("predict(\"q -> a\", lm: \"{MODEL}\")(q: \"?\");"),
        format!("let p = predict(\"q -> a\"); p.with(lm: lm(\"{MODEL}\"))(q: \"?\");"),
    ] {
        for host in [MemoryHost::default(), with_key()] {
            let (said, error) = told(host, &named);
            assert_eq!(said, "", "{named}");
            assert!(!error.contains("no model is named"), "{named}: {error}");
        }
    }
}
