//! Who is told when an execution ends: a topic of its own for an e-mail address, or one that exists.

use super::{Inputs, This, Value};
use crate::aws::sns::{Topic, TopicSubscription};
use crate::hcl::prelude::*;

/// AWS's own key for topics. Whoever may publish needs no permission for it.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-server-side-encryption.html>
const OWN_KEY: &str = "alias/aws/sns";

/// The topic that `decide` publishes to, as a list: empty when nobody is told.
pub(super) fn topics(m: &mut This, inputs: &Inputs) -> Value<List<Arn>> {
    m.file("notifications.tf");
    let wanted = &inputs.notifications;
    let key = &inputs.kms_key_arn;
    let topic = m.add_if(
        &wanted.email.is_set(),
        Topic::new("executions")
            .why("Hears how each execution ended.")
            .name(text![&inputs.name, "-executions"])
            .kms_master_key_id(key.is_null().choose::<Text>(OWN_KEY, text![key.set()]))
            .precondition(
                &wanted.topic_arn.is_null(),
                "notifications takes email or topic_arn, not both: subscribe the address to your topic.",
            ),
    );
    m.add_if(
        &wanted.email.is_set(),
        TopicSubscription::new("email")
            .why("AWS asks the address to confirm. A destroy cannot delete a subscription that is not confirmed.")
            .topic_arn(topic.first(|topic| topic.arn()))
            .protocol("email")
            .endpoint(wanted.email.set()),
    );
    let topics = m.local_here(
        "notify_topic_arns",
        "The topic that decide publishes to; empty when nobody is told.",
        wanted
            .topic_arn
            .is_null()
            .choose::<List<Arn>>(topic.all(|topic| topic.arn()), vec![wanted.topic_arn.set()]),
    );
    let theirs = || arn!["arn:aws:sns:us-east-1:123456789012:executions"];
    let email = || Expr::<Constant, Text>::from("team@example.com");
    m.case("nobody_is_told", "Without an address and a topic nobody is told.")
        .expect(&topic.count().equals(0), "no topic")
        .expect(&func::length(&topics).equals(0), "nobody");
    m.case("an_address_is_told", "An address gets a topic of its own.")
        .with(&wanted.email, email())
        .expect(&topic.count().equals(1), "a topic")
        .expect(&topics.at(0).equals(topic.first(|topic| topic.arn())), "that topic");
    m.case("a_topic_is_told", "A topic that exists is used, and none is made.")
        .with(&wanted.topic_arn, theirs())
        .expect(&topic.count().equals(0), "no topic")
        .expect(
            &topics.at(0).equals(arn!["arn:aws:sns:us-east-1:123456789012:executions"]),
            "theirs",
        );
    m.case("an_address_and_a_topic", "An address and a topic together are refused.")
        .with(&wanted.email, email())
        .with(&wanted.topic_arn, theirs())
        .refused_by(&topic);
    topics
}
