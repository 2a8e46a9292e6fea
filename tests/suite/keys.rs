//! Which key goes to which host, and what the names of models mean.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests run on the machine they run on"
)]

use dsp_lang::host::{MemoryHost, SharedHost};
use dsp_lang::lm::keys::{Endpoint, PROVIDERS, Secret, endpoint};
use dsp_lang::lm::{Error, ErrorKind, LmOptions, UserEndpoints, open};

const KEY: &str = "sk-very-secret-0001";

fn host() -> MemoryHost {
    MemoryHost::default().with_env("OPENAI_API_KEY", KEY).with_env("MY_KEY", "my-own-key-0002")
}

fn shared(host: MemoryHost) -> SharedHost {
    std::sync::Arc::new(host)
}

fn at(base: &str, key_env: Option<&str>) -> LmOptions {
    LmOptions {
        api_base: Some(base.to_owned()),
        key_env: key_env.map(str::to_owned),
        ..LmOptions::default()
    }
}

fn find(
    options: &LmOptions,
    own: &UserEndpoints,
    host: &MemoryHost,
) -> Result<Endpoint, Error> {
    endpoint("openai/m", "openai", options, own, host)
}

fn key(found: Result<Endpoint, Error>) -> Option<String> {
    found.unwrap().key.map(|it| it.expose().to_owned())
}

#[test]
fn a_provider_gets_its_own_key() {
    let none = UserEndpoints::default();
    let found = find(&LmOptions::default(), &none, &host()).unwrap();
    assert_eq!(found.base.as_str(), "https://api.openai.com/v1");
    assert_eq!(found.key.map(|it| it.expose().to_owned()).as_deref(), Some(KEY));
    // Naming the same host changes nothing.
    let same = at("https://api.openai.com:443/v1/", None);
    assert_eq!(key(find(&same, &none, &host())).as_deref(), Some(KEY));
}

#[test]
fn a_foreign_host_gets_no_key() {
    let none = UserEndpoints::default();
    let foreign = [
        "https://evil.example/v1",
        "http://api.openai.com/v1",
        "https://api.openai.com.evil.example/v1",
        "https://api.openai.com:8443/v1",
        "https://api.openai.com\\@evil.example/v1",
        "https://evil.example/?https://api.openai.com",
    ];
    for base in foreign {
        for key_env in [None, Some("OPENAI_API_KEY")] {
            let found = find(&at(base, key_env), &none, &host());
            match found {
                Ok(found) => {
                    let is_own = found.base.host_str() == Some("api.openai.com")
                        && found.base.scheme() == "https"
                        && found.base.port().is_none();
                    assert!(found.key.is_none() || is_own, "{base} {found:?}");
                }
                Err(e) => assert!(matches!(e.kind(), ErrorKind::Key | ErrorKind::Unknown)),
            }
        }
    }
    let e = find(&at("https://evil.example/v1", Some("OPENAI_API_KEY")), &none, &host());
    let e = e.unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Key);
    assert_eq!(
        e.message(),
        "the key in `OPENAI_API_KEY` belongs to https://api.openai.com and is not sent to \
         https://evil.example"
    );
}

#[test]
fn no_provider_lends_its_key_to_another() {
    let host = PROVIDERS
        .iter()
        .filter_map(|it| it.key_env)
        .fold(MemoryHost::default(), |host, variable| host.with_env(variable, KEY))
        .with_env("AZURE_OPENAI_ENDPOINT", "https://me.openai.azure.com");
    let none = UserEndpoints::default();
    for lender in PROVIDERS.iter().filter_map(|it| it.key_env) {
        for borrower in PROVIDERS {
            let options =
                LmOptions { key_env: Some(lender.to_owned()), ..LmOptions::default() };
            let found = endpoint("p/m", borrower.name, &options, &none, &host);
            assert_eq!(
                found.is_ok(),
                borrower.key_env == Some(lender),
                "{lender} {borrower:?}"
            );
        }
    }
}

#[test]
fn another_host_may_have_a_key_of_its_own() {
    let none = UserEndpoints::default();
    let found = find(&at("https://llm.example/v1", Some("MY_KEY")), &none, &host());
    assert_eq!(key(found).as_deref(), Some("my-own-key-0002"));
    let e = find(&at("https://llm.example/v1", Some("NOT_SET")), &none, &host()).unwrap_err();
    assert_eq!(e.message(), "the environment variable `NOT_SET` holds no key");
}

#[test]
fn the_environment_may_name_the_host() {
    let host = host().with_env("OPENAI_BASE_URL", "https://gateway.example/openai");
    let none = UserEndpoints::default();
    let found = find(&LmOptions::default(), &none, &host).unwrap();
    assert_eq!(found.base.as_str(), "https://gateway.example/openai");
    assert!(found.key.is_some());
    let named = at("https://gateway.example/v1", Some("OPENAI_API_KEY"));
    assert_eq!(key(find(&named, &none, &host)).as_deref(), Some(KEY));
}

#[test]
fn the_users_file_may_name_hosts() {
    let own = UserEndpoints::default().with("openai", "https://proxy.example/v1", None).with(
        "lab",
        "http://10.0.0.7:8000/v1",
        Some("MY_KEY"),
    );
    let found = find(&LmOptions::default(), &own, &host()).unwrap();
    assert_eq!(found.base.as_str(), "https://proxy.example/v1");
    assert!(found.key.is_some());
    let lab = endpoint("lab/m", "lab", &LmOptions::default(), &own, &host());
    assert_eq!(key(lab).as_deref(), Some("my-own-key-0002"));
    // What the user has bound to one host, a script cannot take elsewhere.
    let e = find(&at("https://evil.example/v1", Some("MY_KEY")), &own, &host()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Key);
}

#[test]
fn each_host_gets_the_key_that_is_named_for_it() {
    let own =
        UserEndpoints::default().with("openai", "https://proxy.example/v1", Some("MY_KEY"));
    let proxy = find(&LmOptions::default(), &own, &host());
    assert_eq!(key(proxy).as_deref(), Some("my-own-key-0002"));
    let openai = find(&at("https://api.openai.com/v1", None), &own, &host());
    assert_eq!(key(openai).as_deref(), Some(KEY));
}

#[test]
fn a_missing_key_is_named() {
    let none = UserEndpoints::default();
    let e = find(&LmOptions::default(), &none, &MemoryHost::default()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Key);
    assert_eq!(
        e.to_string(),
        "`openai/m`: the environment variable `OPENAI_API_KEY` holds no key"
    );
    assert_eq!(
        e.hint_text(),
        Some(
            "set it (`export OPENAI_API_KEY=…`), or use `local/smollm2-135m`, which needs no key"
        )
    );
}

#[test]
fn bad_names_and_addresses_are_refused() {
    let refused = |name: &str, options: &LmOptions| {
        let e = open(name, options, &UserEndpoints::default(), &shared(host())).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unknown, "{name} {e}");
        e
    };
    let plain = LmOptions::default();
    let e = refused("opnai/gpt-4o", &plain);
    assert_eq!(e.message(), "there is no provider `opnai`");
    assert_eq!(e.hint_text(), Some("did you mean `openai`?"));
    for name in ["gpt-4o", "", "/", "openai/", "/gpt", "openai/a b", "openai/a\n"] {
        refused(name, &plain);
    }
    let secret = "https://user:hunter2-hunter2@llm.example/v1";
    let bases =
        [secret, "llm.example", "file:///etc/passwd", "https://x/v1?key=hunter2", "https://"];
    for base in bases {
        let e = refused("openai/m", &at(base, None));
        assert!(!format!("{e:?}").contains("hunter2"), "{e:?}");
    }
    for options in [
        LmOptions { temperature: Some(f64::NAN), ..plain.clone() },
        LmOptions { top_p: Some(0.0), ..plain.clone() },
        LmOptions { max_tokens: Some(0), ..plain },
    ] {
        refused("openai/m", &options);
    }
}

#[test]
fn a_secret_is_never_printed() {
    let secret = Secret::new(format!(" {KEY}\n"));
    assert_eq!(secret.expose(), KEY);
    assert_eq!(format!("{secret:?}"), "…");
    assert_eq!(secret.redact(&format!("a {KEY} b")), "a … b");
    assert_eq!(secret.redact("a sk-very-****0001 b"), "a … b");
    assert_eq!(Secret::new("none").redact("none of it"), "none of it");
    let found = find(&LmOptions::default(), &UserEndpoints::default(), &host()).unwrap();
    assert!(!format!("{found:?}").contains(KEY));
}

#[test]
fn a_key_that_no_header_can_hold_is_refused() {
    let host = MemoryHost::default().with_env("OPENAI_API_KEY", "sk-one\nsk-two");
    let e = open("openai/m", &LmOptions::default(), &UserEndpoints::default(), &shared(host));
    let e = e.unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Key);
    assert!(!format!("{e:?}").contains("sk-one"));
}

#[test]
fn azure_is_where_its_account_is() {
    let host = MemoryHost::default().with_env("AZURE_OPENAI_API_KEY", KEY);
    let none = UserEndpoints::default();
    let find = |options: &LmOptions, host: &MemoryHost| {
        endpoint("azure/mine", "azure", options, &none, host)
    };
    let e = find(&LmOptions::default(), &host).unwrap_err();
    assert_eq!(e.message(), "`AZURE_OPENAI_ENDPOINT` does not say where `azure` is");
    // A key whose host nobody has named goes nowhere.
    let e = find(&at("https://evil.example", Some("AZURE_OPENAI_API_KEY")), &host);
    assert_eq!(e.unwrap_err().kind(), ErrorKind::Key);
    assert_eq!(key(find(&at("https://evil.example", None), &host)), None);
    let host = host.with_env("AZURE_OPENAI_ENDPOINT", "https://me.openai.azure.com/");
    let found = find(&LmOptions::default(), &host).unwrap();
    assert_eq!(found.base.as_str().trim_end_matches('/'), "https://me.openai.azure.com");
    assert_eq!(found.key.map(|it| it.expose().to_owned()).as_deref(), Some(KEY));
    let e = find(&at("https://evil.example", Some("AZURE_OPENAI_API_KEY")), &host);
    assert_eq!(e.unwrap_err().kind(), ErrorKind::Key);
}
