//! A call that leaves out an input.
use ralph_generator::hcl::{Expr, Module};
use ralph_generator::modules::{Secrets, SecretsInputs};

struct Root;

fn wire(root: &mut Module<Root>) {
    let inputs = SecretsInputs { kms_key_arn: Expr::null(), name_prefix: "ralph/dev".into() };
    root.call::<Secrets>().with(root, inputs);
}

fn main() {}
