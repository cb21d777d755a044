//! A call that leaves out an input.
use ralph_generator::hcl::Module;
use ralph_generator::modules::{Secrets, SecretsInputs, SecretsOptions};

struct Root;

fn wire(root: &mut Module<Root>) {
    let options = SecretsOptions::default();
    root.call::<Secrets>().with(root, SecretsInputs { name_prefix: "ralph/dev".into(), options });
}

fn main() {}
