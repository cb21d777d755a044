//! What a module publishes beside its HCL: defaults, a README, tests.

use ralph_generator::generate;
use ralph_generator::hcl::Error;
use ralph_generator::hcl::prelude::*;
use ralph_generator::{fields, resource};

resource! {
    /// A resource.
    Thing("test_thing") -> ThingRef {
        optional { text: Text, number: Number }
        exports { id: Text, arn: Arn, ids: List<Text> }
    }
}

/// The text of all errors.
fn errors<T>(result: Result<T, Vec<Error>>) -> String {
    let errors = result.err().expect("refused");
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fields! {
    /// The inputs of the module below.
    pub struct JobsInputs {
        /// A key | or none.
        key_arn: Opt<Arn>,
        /// Limits of it.
        limits: Limits<()>,
        /// Names more.
        more: List<Text> = empty(),
        /// What it is called.
        name: Text,
        /// Who owns it.
        owner: Owner<()>,
    }
    /// Limits.
    pub struct Limits {
        /// How many days.
        days: Number = 4,
        /// How many jobs.
        jobs: Number = 10,
    }
    /// An owner.
    pub struct Owner {
        /// A name.
        name: Text,
        /// An address.
        mail: Opt<Text>,
    }
}

struct Jobs;

impl Definition for Jobs {
    const NAME: &'static str = "jobs";
    const ABOUT: &'static str = "A test.";
    type Inputs<M> = JobsInputs<M>;
    type Outputs<M> = ();
    fn build(m: &mut Module<Self>, inputs: JobsInputs<Self>) {
        let days = &inputs.limits.days;
        m.validate(days, &days.at_least(1), "be at least 1", 0);
        m.validate(days, &days.at_most(9), "be at most 9", 10);
        let thing = m.add(
            Thing::new("a")
                .text(&inputs.name)
                .number(days)
                .precondition(&func::length(&inputs.more).at_most(1), "At most one more."),
        );
        m.case("long", "Nine days are kept.").with(days, 9).expect(&days.equals(9), "nine days");
        m.case("mail", "An owner has an address.")
            .with(&inputs.owner.mail, Expr::<_, Text>::from("a@b"));
        m.case("many", "Two more are too many.").with(&inputs.more, ["a", "b"]).refused_by(&thing);
        let all = thing.ids();
        m.case("known", "What AWS would answer is taken.")
            .knowing(&all, ["i"])
            .expect(&all.at(0).equals("i"), "the first id");
    }
}

fn jobs<M>(name: &str, days: i64, mail: Expr<M, Opt<Text>>) -> JobsInputs<M> {
    JobsInputs {
        key_arn: Expr::null(),
        limits: Limits { days: days.into(), jobs: 10.into() },
        more: empty(),
        name: name.into(),
        owner: Owner { name: "who".into(), mail },
    }
}

impl Published for Jobs {
    fn example() -> JobsInputs<Constant> {
        jobs("jobs", 4, Expr::null())
    }
}

#[test]
fn inputs_become_variables_and_related_ones_an_object() {
    let files = generate::folder::<Jobs>().unwrap();
    let variables = &files.iter().find(|(own, _)| own.ends_with("variables.tf")).unwrap().1;
    for block in [
        "variable \"key_arn\" {\n  description = \"A key | or none.\"\n  type        = string\n  default     = null\n}",
        r#"variable "limits" {
  description = <<-EOT
    Limits of it.
    - days: How many days.
    - jobs: How many jobs.
  EOT
  type = object({
    days = optional(number, 4)
    jobs = optional(number, 10)
  })
  default  = {}
  nullable = false
"#,
        "variable \"more\" {\n  description = \"Names more.\"\n  type        = list(string)\n  default     = []\n  nullable    = false\n}",
        "variable \"name\" {\n  description = \"What it is called.\"\n  type        = string\n  nullable    = false\n}",
        "  type = object({\n    name = string\n    mail = optional(string)\n  })\n  nullable = false\n}",
    ] {
        assert!(variables.contains(block), "{variables}");
    }
}

/// Calls the module above.
struct Caller;

impl Definition for Caller {
    const NAME: &'static str = "caller";
    const ABOUT: &'static str = "A test.";
    type Inputs<M> = ();
    type Outputs<M> = ();
    fn build(m: &mut Module<Self>, (): ()) {
        let call = m.call::<Jobs>();
        call.with(m, jobs("x", 7, Expr::null()));
    }
}

#[test]
fn a_call_writes_what_differs_from_a_default_by_name() {
    let files = generate::module::<Caller>().unwrap();
    let call = r#"module "jobs" {
  source = "../../modules/jobs"

  limits = {
    days = 7
  }
  name = "x"
  owner = {
    name = "who"
  }
}
"#;
    assert!(files.iter().any(|(_, text)| text.contains(call)), "{files:?}");
}

#[test]
fn a_modules_readme_and_tests_come_from_its_declaration() {
    let files = generate::folder::<Jobs>().unwrap();
    let text = |path: &str| files.iter().find(|(own, _)| own.ends_with(path)).unwrap().1.clone();
    let readme = text("README.md");
    for line in [
        "| `key_arn` | `string` | `null` | A key \\| or none. |",
        "| `limits` | `object` | `{}` | Limits of it. |",
        "| `limits.days` | `number` | `4` | How many days. |",
        "| `name` | `string` | required | What it is called. |",
        "| `owner.mail` | `string` | `null` | An address. |",
        "| `test_thing.a` | one |",
        "- Terraform or OpenTofu >= 1.6.0",
        "- provider hashicorp/aws >= 5.88.0, < 7.0.0",
        "- Nine days are kept.",
        "- Each validation in `variables.tf` refuses a wrong value.",
    ] {
        assert!(readme.lines().any(|own| own == line), "{line} in {readme}");
    }
    let tests = text("tests/jobs.tftest.hcl");
    for block in [
        "variables {\n  name = \"jobs\"\n  owner = {\n    name = \"who\"\n  }\n}\n",
        "run \"example\" {}\n",
        "run \"refuses_limits_days\" {\n  command         = plan\n  expect_failures = [var.limits]\n\n  variables {\n    limits = {\n      days = 0\n    }\n  }\n}\n",
        "run \"refuses_limits_days_2\" {\n",
        "run \"many\" {\n  command         = plan\n  expect_failures = [test_thing.a]\n",
        // A field joins what the example gives.
        "    owner = {\n      name = \"who\"\n      mail = \"a@b\"\n    }\n",
        "  override_resource {\n    target = test_thing.a\n    values = {\n      ids = [\"i\"]\n    }\n  }\n",
        "    condition     = var.limits.days == 9\n    error_message = \"nine days\"\n",
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
        type Inputs<M> = JobsInputs<M>;
        type Outputs<M> = ();
        fn build(m: &mut Module<Self>, inputs: JobsInputs<Self>) {
            let _ = m.variable_or::<Text>("loud", "", func::title("x"));
            m.validate(&inputs.name, &inputs.name.differs(""), "have a name", func::title("X"));
            m.case("same", "Twice.").with(&inputs.name, "x");
            m.case("same", "Twice.").with(&inputs.limits.days, 1).with(&inputs.limits.days, 2);
        }
    }
    impl Published for Wrong {
        fn example() -> JobsInputs<Constant> {
            JobsInputs { name: func::title("X"), ..Jobs::example() }
        }
    }
    let text = errors(generate::folder::<Wrong>());
    for says in [
        "modules/wrong/main.tf: `loud` is given `title(\"x\")`, which is not a literal",
        "modules/wrong/main.tf: `name` is given `title(\"X\")`, which is not a literal",
        "modules/wrong/tests/wrong.tftest.hcl: `run.same` is there twice",
        "modules/wrong/tests/wrong.tftest.hcl: `run.same: variable limits.days` is there twice",
    ] {
        assert!(text.contains(says), "{says} in {text}");
    }
}
