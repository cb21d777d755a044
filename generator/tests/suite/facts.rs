//! Expressions at the edges, each with the value that the model says it has.

use ralph_generator::hcl::prelude::*;
use ralph_generator::text;
use serde_json::{Value, json};

use crate::random::Pair;

/// Texts beyond those that random bodies are made of.
const TEXTS: [&str; 12] = [
    "nul\u{0}",
    "del\u{7f}",
    "next line\u{85}",
    "no break\u{a0}space",
    "separator\u{2028}",
    "mark\u{feff}inside",
    "family 👨‍👩‍👧",
    "${\"quoted\"}",
    "$${$${%%{",
    "\\${a}\\u0041",
    "<<EOT\nEOT\n",
    "${",
];

const NUMBERS: [f64; 8] = [0.0, 0.1, -0.25, 1e15, 1e21, 1e-7, 123_456_789.125, -1e-3];

/// Every fact.
pub fn all<M>() -> Vec<Pair<M, Any>> {
    let mut all: Vec<Pair<M, Any>> = Vec::new();
    for text in TEXTS {
        all.push((text.into(), json!(text)));
        let both: Expr<M, Text> = text.into();
        all.push((text![&both, "1", &both].any(), json!(format!("{text}1{text}"))));
        all.push((map([(text, Expr::<M, Number>::from(1))]).any(), json!({ text: 1 })));
    }
    for number in NUMBERS {
        all.push((Expr::<M, Number>::from(number).any(), json!(number)));
    }
    all.push((Expr::<M, Number>::from(i64::MIN).any(), json!(i64::MIN)));
    all.push((Expr::<M, Number>::from(u64::MAX).any(), json!(u64::MAX)));
    operations(&mut all);
    nulls(&mut all);
    collections(&mut all);
    functions(&mut all);
    all
}

fn number<M>(n: i64) -> Expr<M, Number> {
    n.into()
}

fn texts<M>(items: &[&str]) -> Expr<M, List<Text>> {
    items.iter().map(|item| Expr::from(*item)).collect::<Vec<_>>().into()
}

fn operations<M>(all: &mut Vec<Pair<M, Any>>) {
    let n = number::<M>;
    let two = |yes: bool| n(if yes { 2 } else { 0 }).greater(1);
    let facts: [(Expr<M, Any>, Value); 17] = [
        (n(7).modulo(4).any(), json!(3)),
        (n(24).divided_by(n(12).divided_by(n(6).divided_by(2))).any(), json!(6)),
        (n(24).divided_by(n(12)).divided_by(2).any(), json!(1)),
        (n(7).modulo(n(5).modulo(3)).any(), json!(1)),
        (n(2).plus(3).times(n(4).plus(-1)).any(), json!(15)),
        (n(2).plus(n(3).times(4)).any(), json!(14)),
        (n(2).times(-1).times(n(3).times(-1)).any(), json!(6)),
        (n(1).plus(n(-1)).any(), json!(0)),
        (n(2).at_most(1).any(), json!(false)),
        (two(true).equals(n(3).greater(2)).any(), json!(true)),
        (two(true).equals(two(false).or(true)).any(), json!(true)),
        (two(true).and(false).negate().any(), json!(true)),
        (two(true).negate().or(two(true)).any(), json!(true)),
        (two(true).or(two(true).and(false)).and(two(false)).any(), json!(false)),
        (two(true).equals(false).negate().any(), json!(true)),
        (two(true).choose::<Number>(two(false).choose::<Number>(1, 2), 3).any(), json!(2)),
        (two(true).choose::<Number>(5, 6).plus(1).any(), json!(6)),
    ];
    all.extend(facts);
}

fn nulls<M>(all: &mut Vec<Pair<M, Any>>) {
    let none = Expr::<M, Opt<Text>>::null;
    let some = || -> Expr<M, Opt<Text>> { Expr::<M, Text>::from("x").into() };
    let facts: [(Expr<M, Any>, Value); 5] = [
        (none().any(), Value::Null),
        (none().is_null().any(), json!(true)),
        (some().is_set().any(), json!(true)),
        (func::first_set([none(), some()]).any(), json!("x")),
        (object([("a", none().any())]), json!({ "a": null })),
    ];
    all.extend(facts);
}

fn collections<M>(all: &mut Vec<Pair<M, Any>>) {
    let list = || texts::<M>(&["b", "a"]);
    let pairs = || map::<M, Text, _>([("k", "v".into()), ("l", "w".into())]);
    let is_k = |key: Expr<M, Text>| key.equals("k");
    let twice = list().to_map_where(("i", "v"), |i, v| ((text![&i, &v], v), true.into()));
    let kept = list().to_map_where(("i", "v"), |i, v| ((v, i.clone()), i.greater(0)));
    let only = texts::<M>(&["a"]).to_map("v", |v| ("only", v));
    let dropped = pairs().filter(("k", "v"), &number(1).greater(2));
    let facts: [(Expr<M, Any>, Value); 13] = [
        (list().at(number(1)).any(), json!("a")),
        (list().at(number(2).plus(-1)).any(), json!("a")),
        (list().map("x", |x| text![&x, "!"]).at(0).any(), json!("b!")),
        (twice.any(), json!({ "0b": "b", "1a": "a" })),
        (kept.any(), json!({ "a": 1 })),
        (only.any(), json!({ "only": "a" })),
        (dropped.any(), json!({})),
        (list().map_with(("i", "v"), |i, v| text![&i, &v]).any(), json!(["0b", "1a"])),
        (pairs().map(("k", "v"), |k, _| is_k(k)).any(), json!([true, false])),
        (empty::<M, List<Text>>().any(), json!([])),
        (empty::<M, Map<Text>>().any(), json!({})),
        (tuple([tuple([]), object::<M, &str>([])]), json!([[], {}])),
        (tuple([list().any(), pairs().any()]), json!([["b", "a"], { "k": "v", "l": "w" }])),
    ];
    all.extend(facts);
}

fn functions<M>(all: &mut Vec<Pair<M, Any>>) {
    let list = || texts::<M>(&["b", "a", "b"]);
    let nested: Expr<M, List<List<Text>>> = vec![list(), texts(&["c"])].into();
    let pairs = || map::<M, Text, _>([("k", "v".into()), ("l", "w".into())]);
    let arn = ralph_generator::arn!["arn:aws:iam::123456789012:role/x"];
    let facts: [(Expr<M, Any>, Value); 21] = [
        (func::all_true(vec![true.into(), false.into()]).any(), json!(false)),
        (func::can::<M, Text>(func::regex("^a+$", "b")).any(), json!(false)),
        (func::cidr_subnet("10.0.0.0/16", 4, 1).any(), json!("10.0.16.0/20")),
        (func::contains(list(), "a").any(), json!(true)),
        (func::distinct(list()).any(), json!(["b", "a"])),
        (func::file_exists("there/is/none").any(), json!(false)),
        (func::flatten(nested).any(), json!(["b", "a", "b", "c"])),
        (func::join("-", list()).any(), json!("b-a-b")),
        (func::keys(pairs()).any(), json!(["k", "l"])),
        (func::lookup(pairs(), "none", "d").any(), json!("d")),
        (func::regex("[a-z]+", "1abc2").any(), json!("abc")),
        (func::replace("a.b", ".", "-").any(), json!("a-b")),
        (func::sha1("a").any(), json!("86f7e437faa5a7fce15d1ddcb9eaeaea377667b8")),
        (func::floor(Expr::from(-1.5)).any(), json!(-2)),
        (func::title("ab cd").any(), json!("Ab Cd")),
        (func::trim_prefix("$x", "$").any(), json!("x")),
        (func::length(func::set_subtract(list(), ["a"])).any(), json!(1)),
        (func::text_length("abc").any(), json!(3)),
        (func::to_string(&number::<M>(-5)).any(), json!("-5")),
        (func::values(pairs()).any(), json!(["v", "w"])),
        (arn.account().any(), json!("123456789012")),
    ];
    all.extend(facts);
}
