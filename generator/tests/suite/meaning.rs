//! What HCL means is what the model said: one module of random values, applied by Terraform with no
//! provider, each output compared with the value computed here.

use ralph_generator::generate;
use ralph_generator::hcl::prelude::*;
use serde_json::{Value, json};

use crate::facts;
use crate::random::{self, Dice, normal};
use crate::support::{good, terraform, write};

const VALUES: usize = 600;

struct Meaning;

/// The values, by output.
fn values(mut each: impl FnMut(&str, Expr<Meaning, Any>, Value)) {
    let mut dice = Dice(0x5eed);
    for i in 0..VALUES {
        let (expr, value) = random::any(&mut dice, 3);
        each(&format!("value_{i:04}"), expr, value);
    }
    for (i, (expr, value)) in facts::all().into_iter().enumerate() {
        each(&format!("fact_{i:04}"), expr, value);
    }
}

impl Definition for Meaning {
    const NAME: &'static str = "meaning";
    const ABOUT: &'static str = "Random values.";
    type Inputs<M> = ();
    type Outputs<M> = ();

    fn build(m: &mut Module<Self>, (): ()) {
        values(|name, expr, _| {
            let local = m.local(name, expr);
            m.output(name, "A random value.", local);
        });
    }
}

#[test]
fn every_value_means_to_terraform_what_the_model_said() {
    let folder = tempfile::tempdir().unwrap();
    let files = generate::module::<Meaning>().unwrap();
    // No provider is needed, and none is asked for.
    let files: Vec<_> =
        files.into_iter().filter(|(path, _)| !path.ends_with("versions.tf")).collect();
    write(folder.path(), &files);
    let folder = folder.path().join("modules/meaning");
    good(&terraform(&folder).args(["init", "-no-color"]).output().unwrap());
    let apply = ["apply", "-auto-approve", "-no-color", "-input=false"];
    good(&terraform(&folder).args(apply).output().unwrap());
    let outputs = good(&terraform(&folder).args(["output", "-json"]).output().unwrap());
    let outputs: Value = serde_json::from_str(&outputs).unwrap();
    let mut compared = 0;
    values(|name, _, expected| {
        let found = normal(&outputs[name]["value"]);
        assert_eq!(found, normal(&expected), "{name}: {}", json!(expected));
        compared += 1;
    });
    assert!(compared > VALUES + 100);
}
