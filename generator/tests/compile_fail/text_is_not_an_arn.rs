//! Strings widen to text; text does not narrow.
use ralph_generator::hcl::prelude::*;

struct Root;

fn narrow(text: Expr<Root, Text>) -> Expr<Root, Arn> {
    text.into()
}

fn main() {}
