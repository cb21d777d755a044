//! Terraform's functions, with types.

use super::expr::{Expr, call};
use super::types::{Any, Bool, Interpolate, Json, List, Map, Number, Opt, Set, Text};

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident [$($generic:ident $(: $bound:ident)?),*]
        ($($arg:ident : $type:ty),*) -> $out:ty = $hcl:literal;)*) => {$(
        $(#[$doc])*
        pub fn $name<M $(, $generic $(: $bound)?)*>(
            $($arg: impl Into<Expr<M, $type>>),*
        ) -> Expr<M, $out> {
            call($hcl, [$($arg.into().into_node()),*])
        }
    )*};
}
functions! {
    /// `alltrue(list)`
    all_true[](list: List<Bool>) -> Bool = "alltrue";
    /// `distinct(list)`
    distinct[T](list: List<T>) -> List<T> = "distinct";
    /// `length(text)`
    text_length[](text: Text) -> Number = "length";
    /// `lookup(map, key, default)`
    lookup[T](map: Map<T>, key: Text, default: T) -> T = "lookup";
    /// `cidrsubnet(prefix, newbits, netnum)`
    cidr_subnet[](prefix: Text, newbits: Number, netnum: Number) -> Text = "cidrsubnet";
    /// `contains(list, value)`
    contains[T](list: List<T>, value: T) -> Bool = "contains";
    /// `concat(a, b)`
    concat[T](a: List<T>, b: List<T>) -> List<T> = "concat";
    /// `fileexists(path)`
    file_exists[](path: Text) -> Bool = "fileexists";
    /// `filebase64sha256(path)`
    file_base64_sha256[](path: Text) -> Text = "filebase64sha256";
    /// `flatten(lists)`
    flatten[T](lists: List<List<T>>) -> List<T> = "flatten";
    /// `jsonencode(value)`
    json_encode[](value: Any) -> Json = "jsonencode";
    /// `floor(number)`
    floor[](number: Number) -> Number = "floor";
    /// `setsubtract(a, b)`
    set_subtract[T](a: List<T>, b: List<T>) -> List<T> = "setsubtract";
    /// `join(separator, list)`
    join[T](separator: Text, list: List<T>) -> Text = "join";
    /// `keys(map)`
    keys[T](map: Map<T>) -> List<Text> = "keys";
    /// `length(list)`
    length[T](list: List<T>) -> Number = "length";
    /// `merge(a, b)`
    merge[T](a: Map<T>, b: Map<T>) -> Map<T> = "merge";
    /// `can(value)`
    can[T](value: T) -> Bool = "can";
    /// `regex(pattern, text)`
    regex[](pattern: Text, text: Text) -> Text = "regex";
    /// `regexall(pattern, text)` of a pattern with groups: the groups of each match
    regex_all[](pattern: Text, text: Text) -> List<List<Text>> = "regexall";
    /// `replace(text, from, to)`
    replace[](text: Text, from: Text, to: Text) -> Text = "replace";
    /// `sha1(text)`
    sha1[](text: Text) -> Text = "sha1";
    /// `substr(text, offset, length)`: counts characters
    substr[](text: Text, offset: Number, length: Number) -> Text = "substr";
    /// `title(text)`
    title[](text: Text) -> Text = "title";
    /// `trimprefix(text, prefix)`
    trim_prefix[](text: Text, prefix: Text) -> Text = "trimprefix";
    /// `toset(list)`
    to_set[T](list: List<T>) -> Set<T> = "toset";
    /// `values(map)`
    values[T](map: Map<T>) -> List<T> = "values";
}

/// `tostring(value)`
pub fn to_string<M, T: Interpolate>(value: &Expr<M, T>) -> Expr<M, Text> {
    call("tostring", [value.node().clone()])
}

/// `coalesce(…)`: the first value that is neither null nor empty.
pub fn first_set<M, T, const N: usize>(values: [Expr<M, Opt<T>>; N]) -> Expr<M, T> {
    call("coalesce", values.map(Expr::into_node))
}

/// `concat(…)` of any number of lists.
pub fn concat_all<M, T>(lists: impl IntoIterator<Item = Expr<M, List<T>>>) -> Expr<M, List<T>> {
    call("concat", lists.into_iter().map(Expr::into_node))
}

/// `try(condition, false)`: a condition that reads what may be null.
pub fn or_false<M>(condition: Expr<M, Bool>) -> Expr<M, Bool> {
    call("try", [condition.into_node(), Expr::<M, Bool>::from(false).into_node()])
}
