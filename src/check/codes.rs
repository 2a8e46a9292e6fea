//! The codes of what `check` and `lower` say, with their titles.

use crate::diag::Code;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $title:literal;)*) => {
        $($(#[$doc])* pub(crate) const $name: Code = Code($code);)*

        /// The codes of this floor and their titles.
        pub const CODES: &[(Code, &str)] = &[$(($name, $title)),*];
    };
}

codes! {
    UNKNOWN_SETTING = "E0011", "unknown setting";
    SETTING_NOT_CONSTANT = "E0012", "a setting that is not constant";
    SETTING_TYPE = "E0013", "a setting of the wrong type";
    IMPORT = "E0014", "a file that cannot be imported";
    TOO_LONG = "E0015", "a program that is too long";

    UNKNOWN_NAME = "E0201", "unknown name";
    UNKNOWN_FUNCTION = "E0202", "unknown function";
    UNKNOWN_OUTPUT = "E0203", "unknown output of a reply";
    MAIN_VARIABLE = "E0204", "an item that names a variable of main";
    DUPLICATE_ITEM = "E0205", "two items of one name";
    DUPLICATE_PARAM = "E0206", "two parameters of one name";
    UNKNOWN_ARGUMENT = "E0207", "unknown argument";
    MISSING_ARGUMENT = "E0208", "missing argument";
    TOO_MANY_ARGUMENTS = "E0209", "too many arguments";
    ARGUMENT_TWICE = "E0210", "an argument given twice";
    ARGUMENT_TYPE = "E0211", "an argument of the wrong type";
    NOT_CALLABLE = "E0212", "a call of something that cannot be called";
    ASSIGNED_CONST = "E0213", "an assignment to something that does not change";
    UNKNOWN_MEMBER = "E0214", "unknown field, member or method";
    NO_EVAL = "E0215", "`eval`";
    RETRY_NOT_PREDICTOR = "E0216", "`retry:` without a predictor";
    NOT_A_VALUE = "E0217", "a name that has no value";
    NOT_A_CONDITION = "E0218", "a condition that is not bool";
    NOT_ITERABLE = "E0219", "a loop through something that has no parts";
    BAD_INDEX = "E0220", "an index that cannot be one";
    BAD_RANGE_CASE = "E0221", "a range in a case that cannot be matched";
    ENDLESS_CONST = "E0222", "a const that needs itself";
    PRIVATE_ITEM = "E0240", "an item that is for its own file only";

    METRIC_TRAP = "E0223", "a trap in a function that judges replies";
    TEMPLATE = "E0225", "a template that does not fit";
    CAPTURE_ASSIGNED = "E0224", "an assignment to what stands outside a parallel closure";

    UNKNOWN_TYPE = "E0301", "unknown type";
    DUPLICATE_FIELD = "E0302", "two fields of one name";
    FIELD_BOTH_WAYS = "E0303", "a field that is both input and output";
    TYPE_NOT_SUPPORTED = "E0304", "a type that is not supported yet";
    BAD_BOUND = "E0305", "a bound that cannot hold";
    CONTRACT_NAME = "E0306", "a contract that names an unknown field";
    TYPE_ARGUMENTS = "E0307", "a type with the wrong arguments";
    ENDLESS_TYPE = "E0308", "a type without end";
    NO_OUTPUTS = "E0309", "a signature without outputs";
    BAD_DEFAULT = "E0310", "a default that does not fit";
    NO_CHOICES = "E0311", "`one_of` without a list";
    HISTORY_PLACE = "E0312", "a history that is no input";
    MEDIA_PLACE = "E0313", "a picture, sound or file that a model would write";

    NO_FORWARD = "E0401", "a module without `forward`";
    ASSIGNED_MEMBER = "E0402", "an assignment to a member";
    DUPLICATE_MEMBER = "E0403", "two members of one name";
    SELF_OUTSIDE = "E0404", "`self` outside a module's method";

    UNUSED_IMPORT = "W0220", "an import that is not used";
    DROPPED_RESULT = "W0201", "a result that is not used";
    SWAPPED_ARGUMENTS = "W0202", "arguments that look swapped";
    MADE_INSIDE = "W0204", "a predictor that no optimizer sees";
    INDEX_PARAMETER = "W0205", "a parameter that is the place, not the element";
    IN_PLACE_RESULT = "W0203", "the result of a method that works in place";
    ALWAYS_SAME = "W0206", "a comparison with only one outcome";
    INTEGER_DIVISION = "W0207", "a division that drops the rest";
    UNUSED_VARIABLE = "W0208", "a variable that is not used";
    UNREACHABLE = "W0209", "code that is never reached";
    UNUSED_ITEM = "W0210", "an item or member that is not used";
    NO_VALUE = "W0211", "a function that may end without its value";
    WILL_FAIL = "W0212", "an operation that fails";
    TEMPLATE_GAP = "W0213", "a template that leaves something out";
    WHOM_TO_ASK = "W0214", "a condition that does not say whom to ask again";
}
