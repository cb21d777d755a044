//! A typed model of Terraform's language, and the only place that knows hcl-rs.
//!
//! # Writing a module
//!
//! A module is a [`Definition`]: its inputs, its outputs, and a function that adds its blocks. Four
//! rules make most mistakes of hand-written HCL impossible to write down:
//!
//! * **A reference comes from a block.** [`Module::add`] hands out the only thing that can name
//!   what a block exports. `Expr<M, T>` is an expression of type `T` inside module `M`: it does not
//!   fit another module, or an attribute of another type.
//! * **Inputs and outputs exist once.** [`inputs!`](crate::inputs) and
//!   [`outputs!`](crate::outputs) make `variables.tf`, `outputs.tf` and the arguments of the call
//!   from one struct, so that a forgotten input is a missing field.
//! * **Text is a literal.** `"${x}"` in Rust is those four characters in Terraform. Values meet
//!   text in [`text!`](crate::text) and [`arn!`](crate::arn).
//! * **A policy is a value.** [`policy::Document`] holds statements; an action that is not a
//!   `service:Action`, or a `*` without a reason, cannot be written.
//!
//! ## An example: a queue with a policy
//!
//! First describe the resource types as the provider's documentation does. The catalogue is
//! [`crate::aws`]; a test compares every entry of [`crate::aws::CATALOGUE`] with the provider's
//! schema, so a wrong name or type is found at once. Then the module:
//!
//! ```
//! use ralph_generator::hcl::prelude::*;
//! use ralph_generator::resource;
//!
//! resource! {
//!     /// A queue.
//!     Queue("aws_sqs_queue") -> QueueRef {
//!         optional { name: Text, message_retention_seconds: Number }
//!         exports { arn: Arn, url: Url, message_retention_seconds: Number }
//!     }
//!     /// Who may use a queue.
//!     QueuePolicy("aws_sqs_queue_policy") -> QueuePolicyRef {
//!         required { queue_url: Url, policy: Json }
//!         exports { id: Text }
//!     }
//! }
//!
//! /// A check of checkov that the queue does not follow; the project's are in `crate::skips`.
//! static NO_KEY: Skip = Skip::new("CKV_AWS_27", "job names are not secret");
//!
//! /// The module `jobs`.
//! struct Jobs;
//!
//! inputs! {
//!     /// The inputs of the module `jobs`. The comments become the variables' descriptions.
//!     pub struct JobsInputs {
//!         /// How long jobs are kept.
//!         keep: Keep<()>,
//!         /// Name of the queue.
//!         name: Text,
//!         /// ARN of the topic that fills the queue.
//!         topic_arn: Arn,
//!     }
//!     /// Related inputs: one object in HCL, and each has a safe default.
//!     pub struct Keep: Default {
//!         /// Days that a job waits: 1 to 14.
//!         days: Number = 4,
//!     }
//! }
//!
//! outputs! {
//!     /// The outputs of the module `jobs`.
//!     pub struct JobsOutputs {
//!         /// ARN of the queue.
//!         queue_arn: Arn,
//!     }
//! }
//!
//! impl Definition for Jobs {
//!     const NAME: &'static str = "jobs";
//!     const ABOUT: &'static str = "A queue of jobs.";
//!     type Inputs<M> = JobsInputs<M>;
//!     type Outputs<M> = JobsOutputs<M>;
//!
//!     fn build(m: &mut Module<Self>, inputs: JobsInputs<Self>) -> JobsOutputs<Self> {
//!         let days = &inputs.keep.days;
//!         // A validation comes with a value that it refuses: a test shows that it does.
//!         m.validate(days, &days.at_least(1).and(days.at_most(14)), "days must be 1 to 14.", 15);
//!         let queue = m.add(
//!             Queue::new("jobs")
//!                 .why("A job outlives a weekend.")
//!                 .skip(&[&NO_KEY])
//!                 .name(text![&inputs.name, "-jobs"])
//!                 .message_retention_seconds(days.times(24 * 3600)),
//!         );
//!         let send = Statement::allow("Fill", &["sqs:SendMessage"])
//!             .by(Principal::Service("sns.amazonaws.com"))
//!             .on(queue.arn())
//!             .when("ArnEquals", "aws:SourceArn", &inputs.topic_arn);
//!         m.add(
//!             QueuePolicy::new("jobs").queue_url(queue.url()).policy(Document::new([send])),
//!         );
//!         m.case("long", "Two weeks are the most.")
//!             .with(days, 14)
//!             .expect(&queue.message_retention_seconds().equals(1_209_600), "two weeks in seconds");
//!         JobsOutputs { queue_arn: queue.arn() }
//!     }
//! }
//!
//! /// The call that the module's README shows and that its tests start from.
//! impl Published for Jobs {
//!     fn example() -> JobsInputs<Constant> {
//!         let topic_arn = arn!["arn:aws:sns:us-east-1:123456789012:jobs"];
//!         JobsInputs { name: "example".into(), topic_arn, keep: Keep::default() }
//!     }
//! }
//!
//! let files = ralph_generator::generate::folder::<Jobs>().unwrap();
//! let text = |path: &str| files.iter().find(|(own, _)| own == path).unwrap().1.clone();
//! assert!(text("modules/jobs/main.tf").ends_with(r#"
//! ## A job outlives a weekend.
//! resource "aws_sqs_queue" "jobs" {
//!   ## checkov:skip=CKV_AWS_27:job names are not secret
//!   name                      = "${var.name}-jobs"
//!   message_retention_seconds = var.keep.days * 86400
//! }
//!
//! resource "aws_sqs_queue_policy" "jobs" {
//!   queue_url = aws_sqs_queue.jobs.url
//!   policy = jsonencode({
//!     Version = "2012-10-17"
//!     Statement = [
//!       {
//!         Sid    = "Fill"
//!         Effect = "Allow"
//!         Principal = {
//!           Service = "sns.amazonaws.com"
//!         }
//!         Action   = "sqs:SendMessage"
//!         Resource = aws_sqs_queue.jobs.arn
//!         Condition = {
//!           ArnEquals = {
//!             "aws:SourceArn" = var.topic_arn
//!           }
//!         }
//!       },
//!     ]
//!   })
//! }
//! "#));
//! assert!(text("modules/jobs/outputs.tf").contains("value       = aws_sqs_queue.jobs.arn"));
//! assert!(text("modules/jobs/README.md").contains("| `keep.days` | `number` | `4` | Days that a job waits"));
//! assert!(text("modules/jobs/tests/jobs.tftest.hcl").contains("expect_failures = [var.keep]"));
//!
//! // Calling it: outputs can be named first, inputs are given once all is known.
//! struct Parent;
//! impl Definition for Parent {
//!     const NAME: &'static str = "parent";
//!     const ABOUT: &'static str = "Who calls it.";
//!     type Inputs<M> = ();
//!     type Outputs<M> = ();
//!     fn build(m: &mut Module<Self>, (): ()) {
//!         let jobs = m.call::<Jobs>();
//!         let _ = m.local("queue", jobs.outputs().queue_arn);
//!         let topic = arn!["arn:aws:sns:us-east-1:123456789012:jobs"];
//!         // A call writes no argument that is the default.
//!         let keep = Keep { days: 4.into() };
//!         jobs.with(m, JobsInputs { name: "ralph-dev".into(), topic_arn: topic, keep });
//!     }
//! }
//! let files = ralph_generator::generate::module::<Parent>().unwrap();
//! assert!(files.iter().any(|(_, text)| text.contains("queue = module.jobs.queue_arn")));
//! assert!(!files.iter().any(|(_, text)| text.contains("keep")));
//! ```
//!
//! To make it part of the project: put the resource types into a file of [`crate::aws`] and its
//! catalogue, the module into a file of [`crate::modules`], add it to
//! [`generate::all`](crate::generate::all), and call it in [`crate::environment`].
//!
//! ## Its README and its tests
//!
//! A [`Published`] module's folder also has `README.md` (example, inputs, outputs, resources, what
//! the tests show) and `tests/<module>.tftest.hcl` for `terraform test`, with the provider mocked:
//!
//! * the example, as it stands, can be made;
//! * each [`Module::validate`] refuses the value that it comes with;
//! * each [`Module::case`] holds: [`Case::with`] changes an input, [`Case::expect`] says what is true
//!   then, [`Case::refused_by`] which resource's precondition refuses, [`Case::warned_by`] which
//!   check warns, [`Case::knowing`] what AWS would tell. A reference's `count()` counts instances.
//!
//! [`Module::in_tests`] gives an input another value in all tests, such as the path of a file that is
//! there. A mocked ARN or id has the form that the provider checks, by the type of the export.
//!
//! ## What else there is
//!
//! * [`Module::add_if`] and [`Module::add_each`] for `count` and `for_each`; what they hand out
//!   ([`Maybe`], [`Each`]) knows that there may be none or many. A shape that repeats is one resource
//!   for each entry of a local map whose values are an [`InputType`].
//! * [`Resource::why`], [`Resource::note`]: comments. [`Resource::skip`]: a check of checkov that
//!   does not hold here, from the table [`crate::skips`], inside the block, where checkov looks.
//!   [`Resource::after`]: `depends_on`.
//!   [`Resource::precondition`], [`Module::validate`], [`Module::check`]: what must hold.
//! * [`func`]: Terraform's functions, with types.
//! * [`Module::file`]: which file the next blocks go to.
//!
//! # What holds before a byte is written
//!
//! [`Error`] lists it: every reference resolves within its folder, no address, attribute or key is
//! there twice, every required attribute is set, every name is an identifier. The bytes are what
//! `terraform fmt` would write (see the rules in `print`), and parentheses keep every operation's
//! meaning.

mod block;
mod case;
mod cases;
mod definition;
mod error;
mod escape;
mod expr;
pub mod func;
mod inputs;
mod macros;
mod module;
mod node;
pub mod policy;
mod print;
mod readme;
mod resolve;
mod resource;
mod root;
mod schema;
mod skip;
mod template;
pub mod types;

pub use case::Case;
pub use definition::{Call, Definition, OutputSet, Published};
pub use error::Error;
pub use expr::{Constant, Expr, empty, map, object, tuple};
pub use inputs::{Field, InputSet, InputType, input};
pub use module::{Check, Module};
pub(crate) use module::{Finished, Header};
pub use resource::{Draft, Each, EachEntry, Handle, Maybe, Reference, Resource};
pub use schema::{Attributes, Exports, Schema, constraint_of};
pub use skip::Skip;
pub use template::{Part, arn_template, template};

/// What a module's file needs.
pub mod prelude {
    pub use super::policy::{Document, Principal, Statement};
    pub use super::types::*;
    pub use super::{
        Constant, Definition, Expr, Module, Published, Reference, Resource, Skip, empty, func, map,
        object, template, tuple,
    };
    pub use crate::{arn, inputs, outputs, text};
}
