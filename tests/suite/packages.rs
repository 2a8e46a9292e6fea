//! What the package is built from: no C beyond a list, and only licences that we can pass on.

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::OnceLock;

/// Packages that may compile something else than Rust, or link a library, and why.
const NATIVE: [(&str, &str); 2] = [
    ("ring", "TLS: assembly and C, built with the C compiler alone"),
    ("rayon-core", "`links` only keeps it from being built twice; it compiles no C"),
];

/// Build tools for other languages.
const FOREIGN_BUILDS: [&str; 6] = ["cc", "cmake", "bindgen", "pkg-config", "vcpkg", "nasm-rs"];

/// Licences of dependencies that ask for no more than their text.
const LICENSES: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// Packages under another licence, and why that is well.
const EXCEPTIONS: [(&str, &str); 2] = [
    ("smartstring", "MPL-2.0, which binds changes of its own files only; Rhai's strings"),
    ("option-ext", "MPL-2.0, as above; behind the directories of the user"),
];

/// A package of the graph.
#[derive(Debug)]
struct Package {
    name: String,
    license: String,
    links: bool,
    build_tools: Vec<String>,
}

/// The packages that our code is built from with all features, tests left out.
fn packages() -> &'static [Package] {
    static PACKAGES: OnceLock<Vec<Package>> = OnceLock::new();
    PACKAGES.get_or_init(|| reachable(&metadata()))
}

fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let version = Command::new(&cargo).arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output = Command::new(&cargo)
        .args(["metadata", "--format-version=1", "--all-features", "--offline"])
        .args(["--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn reachable(metadata: &Value) -> Vec<Package> {
    let by_id = |list: &Value| -> BTreeMap<String, Value> {
        let items = list.as_array().unwrap().iter();
        items.map(|it| (it["id"].as_str().unwrap().to_owned(), it.clone())).collect()
    };
    let nodes = by_id(&metadata["resolve"]["nodes"]);
    let packages = by_id(&metadata["packages"]);
    let mut found: BTreeMap<String, Package> = BTreeMap::new();
    let mut open = vec![metadata["resolve"]["root"].as_str().unwrap().to_owned()];
    while let Some(id) = open.pop() {
        if found.contains_key(&id) {
            continue;
        }
        let package = &packages[&id];
        let mut build_tools = Vec::new();
        for edge in nodes[&id]["deps"].as_array().unwrap() {
            let (normal, build) = kinds(edge);
            let target = edge["pkg"].as_str().unwrap().to_owned();
            let name = packages[&target]["name"].as_str().unwrap();
            if build && FOREIGN_BUILDS.contains(&name) {
                build_tools.push(name.to_owned());
            }
            if normal || build {
                open.push(target);
            }
        }
        let package = Package {
            name: package["name"].as_str().unwrap().to_owned(),
            license: package["license"].as_str().unwrap_or_default().to_owned(),
            links: !package["links"].is_null(),
            build_tools,
        };
        found.insert(id, package);
    }
    found.into_values().collect()
}

/// Whether an edge of the graph is a normal one, and whether it is one of a build script.
fn kinds(edge: &Value) -> (bool, bool) {
    let kinds = edge["dep_kinds"].as_array().unwrap();
    let has =
        |kind: &str| kinds.iter().any(|it| it["kind"].as_str().unwrap_or("normal") == kind);
    (has("normal"), has("build"))
}

#[test]
fn no_other_language_is_compiled_than_the_list_says() {
    let allowed = |package: &&Package| !NATIVE.iter().any(|(name, _)| *name == package.name);
    let native = |package: &&Package| package.links || !package.build_tools.is_empty();
    let wrong: Vec<&Package> = packages().iter().filter(native).filter(allowed).collect();
    assert!(wrong.is_empty(), "these build or link something else: {wrong:#?}");
}

#[test]
fn licences_of_dependencies_can_be_passed_on() {
    let excepted =
        |package: &&Package| !EXCEPTIONS.iter().any(|(name, _)| *name == package.name);
    let wrong: Vec<&Package> = packages()
        .iter()
        .filter(|package| !is_allowed(&package.license))
        .filter(excepted)
        .collect();
    assert!(wrong.is_empty(), "look at these licences: {wrong:#?}");
}

#[test]
fn the_lists_hold_no_package_that_is_gone() {
    let names = NATIVE.iter().chain(&EXCEPTIONS).map(|(name, _)| *name);
    let gone: Vec<&str> =
        names.filter(|name| !packages().iter().any(|it| it.name == *name)).collect();
    assert!(gone.is_empty(), "no longer in the graph: {gone:?}");
}

/// Whether a licence expression can be met with [`LICENSES`]; the old `/` is `OR`.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace("  ", " ");
    let expression = expression.trim();
    if let Some((inner, rest)) = expression.strip_prefix('(').and_then(|it| it.split_once(')'))
    {
        return match rest.trim().split_once(' ') {
            None => is_allowed(inner),
            Some(("AND", rest)) => is_allowed(inner) && is_allowed(rest),
            Some(("OR", rest)) => is_allowed(inner) || is_allowed(rest),
            Some(_) => false,
        };
    }
    let all = |part: &str| part.split(" AND ").all(|it| LICENSES.contains(&it.trim()));
    expression.split(" OR ").any(all)
}

#[test]
fn licence_expressions_are_read() {
    for good in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "Apache-2.0 AND ISC"] {
        assert!(is_allowed(good), "{good}");
    }
    assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-3.0"] {
        assert!(!is_allowed(bad), "{bad}");
    }
}
