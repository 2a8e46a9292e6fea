//! Where entries end.

use super::is_whole;

#[test]
fn an_entry_goes_on_while_something_is_open() {
    for open in [
        "fn f() {\n",
        "print(\n",
        "let a = [1,\n",
        "let a = `x\n",
        "let a = `x ${ f(\n",
        "#{ a: 1\n",
        "let a =\n",
        "1 +\n",
        "/* not yet\n",
        "let a = #\"raw\n",
        "\"continued \\\n",
        "/// What follows.\n",
        "if a { 1 } else\n",
        ":prompt qa(\n",
    ] {
        assert!(!is_whole(open), "{open}");
    }
}

#[test]
fn an_entry_ends_when_everything_is_closed() {
    for whole in [
        "",
        "1 + 1\n",
        "fn f() { 1 }\n",
        "let a = \"(\";\n",
        "let a = \"(\n",
        ")\n",
        "`${a}`\n",
        "`(`\n",
        "1 // (\n",
        "1 +\n\n",
        ":load qa(\n",
        ":prompt\n",
        ":prompt qa()\n",
        "/// What follows.\nfn f() { 1 }\n",
    ] {
        assert!(is_whole(whole), "{whole}");
    }
}
