//! Terraform's functions, with types.

use hcl::expr::Expression;

use super::expr::{Expr, call};
use super::types::{Any, Bool, Interpolate, Json, List, Map, Number, Opt, Set, Text};

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident [$($generic:ident $(: $bound:ident)?),*]
        ($($arg:ident : $type:ty),*) -> $out:ty = $hcl:literal;)*) => {$(
        $(#[$doc])*
        pub fn $name<M $(, $generic $(: $bound)?)*>(
            $($arg: impl Into<Expr<M, $type>>),*
        ) -> Expr<M, $out> {
            call($hcl, vec![$($arg.into().into_node()),*])
        }
    )*};
}
functions! {
    /// `alltrue(list)`
    all_true[](list: List<Bool>) -> Bool = "alltrue";
    /// `cidrhost(prefix, hostnum)`
    cidr_host[](prefix: Text, hostnum: Number) -> Text = "cidrhost";
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
    /// `join(separator, list)`
    join[](separator: Text, list: List<Text>) -> Text = "join";
    /// `jsonencode(value)`
    json_encode[](value: Any) -> Json = "jsonencode";
    /// `keys(map)`
    keys[T](map: Map<T>) -> List<Text> = "keys";
    /// `length(list)`
    length[T](list: List<T>) -> Number = "length";
    /// `merge(a, b)`
    merge[T](a: Map<T>, b: Map<T>) -> Map<T> = "merge";
    /// `can(value)`
    can[T](value: T) -> Bool = "can";
    /// `max(a, b)`
    max[](a: Number, b: Number) -> Number = "max";
    /// `min(a, b)`
    min[](a: Number, b: Number) -> Number = "min";
    /// `range(start, limit, step)`
    range[](start: Number, limit: Number, step: Number) -> List<Number> = "range";
    /// `regex(pattern, text)`
    regex[](pattern: Text, text: Text) -> Text = "regex";
    /// `replace(text, from, to)`
    replace[](text: Text, from: Text, to: Text) -> Text = "replace";
    /// `reverse(list)`
    reverse[T](list: List<T>) -> List<T> = "reverse";
    /// `sha1(text)`
    sha1[](text: Text) -> Text = "sha1";
    /// `sort(list)`
    sort[](list: List<Text>) -> List<Text> = "sort";
    /// `substr(text, offset, length)`: counts characters
    substr[](text: Text, offset: Number, length: Number) -> Text = "substr";
    /// `toset(list)`
    to_set[T](list: List<T>) -> Set<T> = "toset";
    /// `upper(text)`
    upper[](text: Text) -> Text = "upper";
    /// `lower(text)`
    lower[](text: Text) -> Text = "lower";
    /// `values(map)`
    values[T](map: Map<T>) -> List<T> = "values";
}

/// `tostring(value)`
pub fn to_string<M, T: Interpolate>(value: &Expr<M, T>) -> Expr<M, Text> {
    call("tostring", vec![value.node().clone()])
}

/// `coalesce(…)`: the first value that is neither null nor empty.
pub fn first_set<M, T, const N: usize>(values: [Expr<M, Opt<T>>; N]) -> Expr<M, T> {
    call("coalesce", values.map(Expr::into_node).to_vec())
}

/// `jsonencode(list)` of values that a deployment must notice.
pub fn json_list<M>(items: impl IntoIterator<Item = Expr<M, Any>>) -> Expr<M, Json> {
    let items = items.into_iter().map(Expr::into_node).collect();
    call("jsonencode", vec![Expression::Array(items)])
}
