//! Random expressions, each with the value that the model says it has.

use ralph_generator::hcl::prelude::*;
use ralph_generator::text;
use serde_json::{Value, json};

/// A small generator of numbers (SplitMix64): the same seed gives the same bodies everywhere.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}

/// Texts that have gone wrong in other generators.
const LITERALS: [&str; 26] = [
    "",
    "a",
    "plain words",
    "${a}",
    "$${a}",
    "$$${a}",
    "%{if x}",
    "%%{a}",
    "$",
    "$$",
    "%",
    "100%",
    "$%{",
    "%${",
    "quote \" and \\ backslash",
    "line\nbreak",
    "two\nlines\n",
    "EOT\nEOT1\n",
    "tab\there",
    "bell\u{7}",
    "ünïcödé ✓ 漢字",
    "x:y",
    "{}",
    "# not a comment",
    "a\r\nb",
    "a rather long text that makes a line too wide when it stands beside a few more of its kind",
];

/// Keys, bare and quoted.
const KEYS: [&str; 12] = [
    "a",
    "key",
    "long_key_name",
    "x:y",
    "with space",
    "null",
    "for",
    "1st",
    "ünï",
    "a-b",
    "${k}",
    "q\"",
];

pub type Pair<M, T> = (Expr<M, T>, Value);

pub fn text<M>(dice: &mut Dice, depth: usize) -> Pair<M, Text> {
    if depth == 0 {
        let literal = *dice.pick(&LITERALS);
        return (literal.into(), json!(literal));
    }
    let d = depth - 1;
    match dice.roll(9) {
        0 | 1 => template(dice, d),
        2 => {
            let ((a, x), (b, y), (c, z)) = (boolean(dice, d), text(dice, d), text(dice, d));
            (a.choose(b, c), if truth(&x) { y } else { z })
        }
        3 => {
            let ((e, v), (from, w)) = (text(dice, d), text(dice, 0));
            let plain = string(&w).chars().all(char::is_alphanumeric) && !string(&w).is_empty();
            let from = if plain { (from, string(&w).to_owned()) } else { ("a".into(), "a".into()) };
            (func::replace(e, from.0, "-"), json!(string(&v).replace(&from.1, "-")))
        }
        4 => {
            let (e, v) = texts(dice, d);
            let all = func::concat(e, ["end"]);
            (all.at(0), items(&v).first().cloned().unwrap_or(json!("end")))
        }
        5 => {
            let ((e, v), (to, w)) = (text(dice, d), text(dice, d));
            (func::replace(e, "a", to), json!(string(&v).replace('a', string(&w))))
        }
        6 => {
            let (e, v) = number(dice, d);
            (func::to_string(&e), json!(shown(&v)))
        }
        7 => {
            let (e, v) = map_of_text(dice, d, 1);
            let keys: Vec<&String> = v.as_object().expect("a map").keys().collect();
            let key = dice.pick(&keys).as_str();
            (func::lookup(e, key, "none"), v[key].clone())
        }
        _ => text(dice, 0),
    }
}

fn template<M>(dice: &mut Dice, depth: usize) -> Pair<M, Text> {
    let (mut expr, mut value) = text(dice, 0);
    for _ in 0..=dice.roll(3) {
        let (literal, _) = (*dice.pick(&LITERALS), ());
        (expr, value) = match dice.roll(3) {
            0 => {
                let (e, v) = number(dice, depth);
                let all = format!("{}{literal}{}", string(&value), shown(&v));
                (text![&expr, literal, &e], json!(all))
            }
            1 => {
                let (e, v) = text(dice, depth);
                let all = format!("{}{literal}{}", string(&v), string(&value));
                (text![&e, literal, &expr], json!(all))
            }
            _ => {
                let (e, v) = text(dice, depth);
                let all = format!("{literal}{}{}", string(&value), string(&v));
                (text![literal, &expr, &e], json!(all))
            }
        };
    }
    (expr, value)
}

/// Numbers are multiples of a quarter and stay small, so that both sides compute them exactly.
pub fn number<M>(dice: &mut Dice, depth: usize) -> Pair<M, Number> {
    if depth == 0 {
        return if dice.roll(4) == 0 {
            let n = dice.roll(64) as f64 / 4.0 - 8.0;
            (n.into(), json!(n))
        } else {
            let n = dice.roll(100) as i64 - 40;
            (n.into(), json!(n as f64))
        };
    }
    let d = depth - 1;
    let ((a, x), (b, y)) = (number::<M>(dice, d), number::<M>(dice, d));
    let (p, q) = (float(&x), float(&y));
    match dice.roll(9) {
        0 => (a.plus(b), json!(p + q)),
        1 => (a.plus(b.times(-1)), json!(p - q)),
        2 if p.abs() < 1e4 && q.abs() < 1e4 => (a.times(b), json!(p * q)),
        3 => (a.divided_by(2), json!(p / 2.0)),
        4 => (a.times(-1), json!(-p)),
        5 => (a.greater(&b).choose(a, b), json!(p.max(q))),
        6 => {
            let (e, v) = texts(dice, d);
            (func::length(e), json!(items(&v).len() as f64))
        }
        7 => {
            let (c, z) = boolean(dice, d);
            (c.choose(a, b), if truth(&z) { x } else { y })
        }
        _ => (func::floor(a), json!(p.floor())),
    }
}

pub fn boolean<M>(dice: &mut Dice, depth: usize) -> Pair<M, Bool> {
    if depth == 0 {
        let value = dice.roll(2) == 0;
        return (value.into(), json!(value));
    }
    let d = depth - 1;
    match dice.roll(8) {
        0 => {
            let ((a, x), (b, y)) = (boolean(dice, d), boolean(dice, d));
            (a.and(b), json!(truth(&x) && truth(&y)))
        }
        1 => {
            let ((a, x), (b, y)) = (boolean(dice, d), boolean(dice, d));
            (a.or(b), json!(truth(&x) || truth(&y)))
        }
        2 => {
            let (a, x) = boolean(dice, d);
            (a.negate(), json!(!truth(&x)))
        }
        3 => {
            let ((a, x), (b, y)) = (number(dice, d), number(dice, d));
            (a.greater(b), json!(float(&x) > float(&y)))
        }
        4 => {
            let ((a, x), (b, y)) = (number(dice, d), number(dice, d));
            (a.at_least(b), json!(float(&x) >= float(&y)))
        }
        5 => {
            let ((a, x), (b, y)) = (text(dice, d), text(dice, d));
            (a.equals(b), json!(x == y))
        }
        6 => {
            let ((a, x), (b, y)) = (boolean(dice, d), boolean(dice, d));
            (a.differs(b), json!(x != y))
        }
        _ => {
            let ((a, x), (b, y)) = (texts(dice, d), text(dice, d));
            (func::contains(a, b), json!(items(&x).contains(&y)))
        }
    }
}

/// A list of one to three texts.
pub fn texts<M>(dice: &mut Dice, depth: usize) -> Pair<M, List<Text>> {
    if depth == 0 || dice.roll(3) == 0 {
        let pairs: Vec<Pair<M, Text>> =
            (0..=dice.roll(3)).map(|_| text(dice, depth.saturating_sub(1))).collect();
        let (exprs, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        return (exprs.into(), json!(values));
    }
    let d = depth - 1;
    match dice.roll(5) {
        0 => {
            let ((a, x), (b, y)) = (texts(dice, d), texts(dice, d));
            (func::concat(a, b), json!([items(&x), items(&y)].concat()))
        }
        1 => {
            let (e, v) = texts(dice, d);
            let kept: Vec<&Value> = items(&v).iter().filter(|item| string(item) != "a").collect();
            (e.map_where("item", |item| (item.clone(), item.differs("a"))), json!(kept))
        }
        2 => {
            let (e, v) = map_of_text(dice, d, 0);
            (func::keys(e), json!(v.as_object().expect("a map").keys().collect::<Vec<_>>()))
        }
        3 => {
            let ((e, v), literal) = (texts(dice, d), *dice.pick(&LITERALS));
            let each = |item: &Value| json!(format!("{literal}{}", string(item)));
            let values: Vec<Value> = items(&v).iter().map(each).collect();
            (e.map("item", |item| text![literal, &item]), json!(values))
        }
        _ => {
            let ((e, v), literal) = (map_of_text(dice, d, 0), *dice.pick(&LITERALS));
            let object = v.as_object().expect("a map");
            let each = |(key, value): (&String, &Value)| format!("{key}{literal}{}", string(value));
            let values: Vec<String> = object.iter().map(each).collect();
            (e.map(("k", "v"), |k, v| text![&k, literal, &v]), json!(values))
        }
    }
}

/// A map with at least `least` entries.
pub fn map_of_text<M>(dice: &mut Dice, depth: usize, least: usize) -> Pair<M, Map<Text>> {
    let mut keys = KEYS.to_vec();
    let mut entries = Vec::new();
    let mut value = serde_json::Map::new();
    for _ in 0..least + dice.roll(4) {
        let key = keys.remove(dice.roll(keys.len()));
        let (e, v) = text(dice, depth.saturating_sub(1));
        entries.push((key, e));
        value.insert(key.to_owned(), v);
    }
    let whole = map(entries);
    match dice.roll(3) {
        0 if depth > 0 => {
            let (more, v) = map_of_text(dice, depth - 1, 0);
            value.extend(v.as_object().expect("a map").clone());
            (func::merge(whole, more), Value::Object(value))
        }
        1 if depth > 0 => {
            let after = |v: &Value| json!(format!("{}!", string(v)));
            let values = value.iter().map(|(k, v)| (k.clone(), after(v))).collect();
            (whole.map_values(("k", "v"), |v| text![&v, "!"]), Value::Object(values))
        }
        _ => (whole, Value::Object(value)),
    }
}

/// A value of any shape.
pub fn any<M>(dice: &mut Dice, depth: usize) -> Pair<M, Any> {
    match dice.roll(if depth == 0 { 3 } else { 11 }) {
        0 => simple(text(dice, depth)),
        1 => simple(number(dice, depth)),
        2 => simple(boolean(dice, depth)),
        3 => simple(texts(dice, depth)),
        4 => simple(map_of_text(dice, depth, 0)),
        5 | 6 => {
            let pairs: Vec<Pair<M, Any>> =
                (0..dice.roll(4)).map(|_| any(dice, depth - 1)).collect();
            let (exprs, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            (tuple(exprs), json!(values))
        }
        9 => {
            let ((e, v), (n, w)) = (texts(dice, depth - 1), number(dice, depth - 1));
            let values: Vec<&Value> = items(&v).iter().map(|_| &w).collect();
            (e.map("item", |_| n).any(), json!(values))
        }
        10 => {
            let ((e, v), (n, w)) = (map_of_text(dice, depth - 1, 0), number(dice, depth - 1));
            let keys = v.as_object().expect("a map").keys();
            let values = keys.map(|key| (key.clone(), w.clone())).collect();
            (e.map_values(("k", "v"), |_| n).any(), Value::Object(values))
        }
        7 => {
            let (e, v) = any(dice, depth - 1);
            (func::json_encode(e).any(), json!(encoded(&v)))
        }
        _ => {
            let mut keys = KEYS.to_vec();
            let mut entries = Vec::new();
            let mut value = serde_json::Map::new();
            for _ in 0..dice.roll(5) {
                let key = keys.remove(dice.roll(keys.len()));
                let (e, v) = any(dice, depth - 1);
                entries.push((key, e));
                value.insert(key.to_owned(), v);
            }
            (object(entries), Value::Object(value))
        }
    }
}

fn simple<M, T>((expr, value): Pair<M, T>) -> Pair<M, Any> {
    (expr.any(), value)
}

fn string(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn float(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn truth(value: &Value) -> bool {
    value.as_bool().expect("a boolean")
}

fn items(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// A number as HCL shows it in a text.
fn shown(value: &Value) -> String {
    float(value).to_string()
}

/// JSON as Terraform encodes it: sorted keys, whole numbers without a point, HTML escaped.
fn encoded(value: &Value) -> String {
    normal(value)
        .to_string()
        .replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
}

/// The same value with every number in one form, so that 1 and 1.0 compare equal.
pub fn normal(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            let number = number.as_f64().expect("a number");
            if number.fract() == 0.0 { json!(number as i64) } else { json!(number) }
        }
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Object(object) => {
            let mut entries: Vec<(String, Value)> =
                object.iter().map(|(key, value)| (key.clone(), normal(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        other => other.clone(),
    }
}
