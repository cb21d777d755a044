//! What a module publishes beside its HCL: defaults, a README, tests.

use ralph_generator::generate;
use ralph_generator::hcl::Error;
use ralph_generator::hcl::prelude::*;
use ralph_generator::{inputs, resource};

resource! {
    /// A resource.
    Thing("test_thing") -> ThingRef {
        required {}
        optional { text: Text, number: Number }
        blocks {}
        exports { id: Text, arn: Arn, ids: List<Text> }
    }
}

/// The text of all errors.
fn errors<T>(result: Result<T, Vec<Error>>) -> String {
    let errors = result.err().expect("refused");
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

inputs! {
    /// What the module below is told.
    pub struct ToldInputs {
        /// What it is called.
        name: Text,
    }
    /// What the module below may be told.
    pub struct ToldOptions {
        /// How many days.
        days: Number = 4,
        /// Names more.
        more: List<Text> = empty(),
        /// A key | or none.
        key_arn: Opt<Arn>,
    }
}

struct Told;

impl Definition for Told {
    const NAME: &'static str = "told";
    const ABOUT: &'static str = "A test.";
    type Inputs<M> = ToldInputs<M>;
    type Outputs<M> = ();
    fn build(m: &mut Module<Self>, inputs: ToldInputs<Self>) {
        let days = &inputs.options.days;
        m.validate(days, &days.at_least(1), "At least a day.", 0);
        m.validate(days, &days.at_most(9), "At most nine days.", 10);
        let thing = m.add(
            Thing::new("a")
                .text(&inputs.name)
                .number(days)
                .precondition(&func::length(&inputs.options.more).at_most(1), "At most one more."),
        );
        m.case("long", "Nine days are kept.").with(days, 9).expect(&days.equals(9), "nine days");
        m.case("many", "Two more are too many.")
            .with(&inputs.options.more, ["a", "b"])
            .refused_by(&thing);
        let all = thing.ids();
        m.case("known", "What AWS tells is taken.")
            .knowing(&all, ["i"])
            .expect(&all.at(0).equals("i"), "the first id");
    }
}

impl Published for Told {
    fn example() -> ToldInputs<Constant> {
        ToldInputs { name: "jobs".into(), options: ToldOptions::default() }
    }
}

#[test]
fn an_input_with_a_default_may_be_left_out() {
    let files = generate::folder::<Told>().unwrap();
    let text = |path: &str| files.iter().find(|(own, _)| own.ends_with(path)).unwrap().1.clone();
    let variables = text("variables.tf");
    for block in [
        "variable \"days\" {\n  description = \"How many days.\"\n  type        = number\n  default     = 4\n  nullable    = false\n",
        "variable \"key_arn\" {\n  description = \"A key | or none.\"\n  type        = string\n  default     = null\n}",
        "variable \"more\" {\n  description = \"Names more.\"\n  type        = list(string)\n  default     = []\n  nullable    = false\n}",
        "variable \"name\" {\n  description = \"What it is called.\"\n  type        = string\n  nullable    = false\n}",
    ] {
        assert!(variables.contains(block), "{variables}");
    }
    let calls = generate::module::<Caller>().unwrap();
    let call =
        "module \"told\" {\n  source = \"../../modules/told\"\n\n  name = \"x\"\n  days = 7\n}\n";
    assert!(calls.iter().any(|(_, text)| text.contains(call)));
    assert_eq!(
        errors(generate::module::<Misuser>()),
        "modules/misuser/locals.tf: `locals` uses an input that is left to its default"
    );
}

/// Calls the module above.
struct Caller;

impl Definition for Caller {
    const NAME: &'static str = "caller";
    const ABOUT: &'static str = "A test.";
    type Inputs<M> = ();
    type Outputs<M> = ();
    fn build(m: &mut Module<Self>, (): ()) {
        let told = m.call::<Told>();
        let options = ToldOptions { days: 7.into(), ..ToldOptions::default() };
        told.with(m, ToldInputs { name: "x".into(), options });
    }
}

/// Takes an option that nobody gave for a value.
struct Misuser;

impl Definition for Misuser {
    const NAME: &'static str = "misuser";
    const ABOUT: &'static str = "A test.";
    type Inputs<M> = ();
    type Outputs<M> = ();
    fn build(m: &mut Module<Self>, (): ()) {
        let options = ToldOptions::<Self>::default();
        let _ = m.local("x", options.days);
    }
}

#[test]
fn a_modules_readme_and_tests_come_from_its_declaration() {
    let files = generate::folder::<Told>().unwrap();
    let text = |path: &str| files.iter().find(|(own, _)| own.ends_with(path)).unwrap().1.clone();
    let readme = text("README.md");
    for line in [
        "| `days` | `number` | `4` | How many days. |",
        "| `key_arn` | `string` | `null` | A key \\| or none. |",
        "| `name` | `string` | required | What it is called. |",
        "| `test_thing.a` | one |",
        "- Terraform or OpenTofu >= 1.6.0",
        "- provider hashicorp/aws >= 5.88.0, < 7.0.0",
        "- Nine days are kept",
        "- `days` refuses `10`: At most nine days",
    ] {
        assert!(readme.lines().any(|own| own == line), "{line} in {readme}");
    }
    let tests = text("tests/told.tftest.hcl");
    for block in [
        "variables {\n  name = \"jobs\"\n}\n",
        "run \"example\" {}\n",
        "run \"refuses_days\" {\n  command         = plan\n  expect_failures = [var.days]\n\n  variables {\n    days = 0\n  }\n}\n",
        "run \"refuses_days_2\" {\n",
        "run \"many\" {\n  command         = plan\n  expect_failures = [test_thing.a]\n",
        "  override_resource {\n    target = test_thing.a\n    values = {\n      ids = [\"i\"]\n    }\n  }\n",
        "    condition     = var.days == 9\n    error_message = \"nine days\"\n",
        "  mock_resource \"test_thing\" {\n    defaults = {\n      arn = \"arn:aws:mock:us-east-1:123456789012:mock/mock\"\n",
    ] {
        assert!(tests.contains(block), "{block} in {tests}");
    }
}

#[test]
fn a_default_and_a_tests_value_are_literals() {
    struct Wrong;
    impl Definition for Wrong {
        const NAME: &'static str = "wrong";
        const ABOUT: &'static str = "A test.";
        type Inputs<M> = ToldInputs<M>;
        type Outputs<M> = ();
        fn build(m: &mut Module<Self>, inputs: ToldInputs<Self>) {
            let _ = m.variable_or::<Text>("loud", "", func::upper("x"));
            m.validate(&inputs.name, &inputs.name.differs(""), "A name.", func::lower("X"));
            m.case("same", "Twice.").with(&inputs.name, "x");
            m.case("same", "Twice.").with(&inputs.name, "y").with(&inputs.name, "z");
        }
    }
    impl Published for Wrong {
        fn example() -> ToldInputs<Constant> {
            ToldInputs { name: func::lower("X"), options: ToldOptions::default() }
        }
    }
    let text = errors(generate::folder::<Wrong>());
    for says in [
        "modules/wrong/main.tf: `loud` is given `upper(\"x\")`, which is not a literal",
        "modules/wrong/main.tf: `name` is given `lower(\"X\")`, which is not a literal",
        "modules/wrong/tests/wrong.tftest.hcl: `run.same` is there twice",
        "modules/wrong/tests/wrong.tftest.hcl: `variables.name` is there twice",
    ] {
        assert!(text.contains(says), "{says} in {text}");
    }
}
