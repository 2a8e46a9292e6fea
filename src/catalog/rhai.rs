//! The names that Rhai brings: its standard package and its reserved words.
//!
//! Taken from the metadata that Rhai 1.27 gives of its `StandardPackage`, plus the functions that
//! its parser knows by name. `eval` and the clock are left out because they do not
//! exist here, `print`, `debug` and `sleep` because ours take their place. All lists are sorted by bytes.

/// Functions that can be called by their name.
#[rustfmt::skip]
pub const RHAI_FUNCTIONS: &[&str] = &[
    "E", "Fn", "PI", "abs", "acos", "acosh", "all", "append", "as_string", "asin", "asinh",
    "atan", "atanh", "bits", "blob", "bytes", "call", "ceiling", "chars", "chop", "clear",
    "contains", "cos", "cosh", "crop", "curry", "dedup", "drain", "end",
    "ends_with", "exit", "exp", "extract", "fill_with", "filter", "find", "find_map", "floor",
    "for_each", "fraction", "get", "get_bit", "get_bits", "get_fn_metadata_list", "hypot",
    "index_of", "insert", "int", "is_anonymous", "is_def_fn", "is_def_var", "is_empty",
    "is_even", "is_exclusive", "is_finite", "is_inclusive", "is_infinite", "is_nan", "is_odd",
    "is_shared", "is_zero", "keys", "len", "ln", "log", "make_lower", "make_upper", "map",
    "max", "min", "mixin", "name", "order", "order_by", "order_desc", "pad", "parse_be_float",
    "parse_be_int", "parse_float", "parse_int", "parse_json", "parse_le_float",
    "parse_le_int", "pop", "push", "range", "reduce", "reduce_rev", "remove", "replace",
    "retain", "reverse", "round", "set", "set_bit", "set_bits", "set_tag", "shift", "sign",
    "sin", "sinh", "some", "sort", "sort_by", "sort_desc", "splice", "split",
    "split_rev", "sqrt", "start", "starts_with", "sub_string", "tag", "take", "tan", "tanh",
    "to_array", "to_binary", "to_blob", "to_chars", "to_debug", "to_degrees",
    "to_float", "to_hex", "to_int", "to_json", "to_lower", "to_octal", "to_radians",
    "to_string", "to_upper", "trim", "truncate", "type_of", "values", "write_ascii",
    "write_be", "write_le", "write_utf8", "zip",
];

/// Functions that can be called on a value.
#[rustfmt::skip]
pub const RHAI_METHODS: &[&str] = &[
    "abs", "acos", "acosh", "all", "append", "as_string", "asin", "asinh", "atan", "atanh",
    "bits", "blob", "bytes", "call", "ceiling", "chars", "chop", "clear", "contains", "cos",
    "cosh", "crop", "curry", "dedup", "drain", "end", "ends_with", "exit", "exp",
    "extract", "fill_with", "filter", "find", "find_map", "floor", "for_each", "fraction",
    "get", "get_bit", "get_bits", "get_fn_metadata_list", "hypot", "index_of", "insert",
    "int", "is_anonymous", "is_empty", "is_even", "is_exclusive", "is_finite", "is_inclusive",
    "is_infinite", "is_nan", "is_odd", "is_shared", "is_zero", "keys", "len", "ln", "log",
    "make_lower", "make_upper", "map", "max", "min", "mixin", "name", "order", "order_by",
    "order_desc", "pad", "parse_be_float", "parse_be_int", "parse_float", "parse_int",
    "parse_json", "parse_le_float", "parse_le_int", "pop", "push", "range", "reduce",
    "reduce_rev", "remove", "replace", "retain", "reverse", "round", "set", "set_bit",
    "set_bits", "set_tag", "shift", "sign", "sin", "sinh", "some", "sort", "sort_by",
    "sort_desc", "splice", "split", "split_rev", "sqrt", "start", "starts_with", "sub_string",
    "tag", "take", "tan", "tanh", "to_array", "to_binary", "to_blob", "to_chars", "to_debug",
    "to_degrees", "to_float", "to_hex", "to_int", "to_json", "to_lower", "to_octal",
    "to_radians", "to_string", "to_upper", "trim", "truncate", "type_of", "values",
    "write_ascii", "write_be", "write_le", "write_utf8", "zip",
];

/// Functions that change the value they are called on.
#[rustfmt::skip]
pub const RHAI_IN_PLACE: &[&str] = &[
    "append", "chop", "clear", "crop", "dedup", "drain", "fill_with", "insert", "make_lower",
    "make_upper", "mixin", "pad", "pop", "push", "remove", "replace", "retain", "reverse",
    "set", "set_bit", "set_bits", "set_tag", "shift", "sort", "sort_by", "sort_desc",
    "splice", "trim", "truncate", "write_ascii", "write_be", "write_le", "write_utf8",
];

/// Words that Rhai refuses as names of variables, functions and properties.
#[rustfmt::skip]
pub const RHAI_RESERVED: &[&str] = &[
    "Fn", "as", "async", "await", "break", "call", "case", "catch", "const", "continue",
    "curry", "debug", "default", "do", "else", "eval", "export", "false", "fn", "for", "go",
    "goto", "if", "import", "in", "is", "is_def_fn", "is_def_var", "is_shared", "let", "loop",
    "match", "module", "new", "nil", "null", "package", "print", "private", "protected",
    "public", "return", "shared", "spawn", "static", "super", "switch", "sync", "this",
    "thread", "throw", "true", "try", "type_of", "until", "use", "var", "void", "while",
    "with", "yield",
];
