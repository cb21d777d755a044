//! A call that leaves out an input.
use ralph_generator::hcl::Module;
use ralph_generator::modules::{Secrets, SecretsInputs};

struct Root;

fn wire(root: &mut Module<Root>) {
    let secrets = root.call::<Secrets>();
    secrets.with(root, SecretsInputs { name_prefix: "ralph/dev".into() });
}

fn main() {}
