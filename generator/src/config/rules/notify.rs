//! Who is told when an execution ends.

use ralph_protocol::link::check_log_url;

use super::super::problem::Problem;
use super::super::raw::Table;
use crate::deploy::partition;

pub(super) fn check(table: &Table, problems: &mut Vec<Problem>) {
    let place = |key: &str| table.place(&format!("notify.{key}"));
    if let (Some(email), Some(topic)) = (place("email"), place("topic_arn")) {
        problems.push(
            Problem::new("email and topic_arn exclude each other")
                .at(email, "a topic is made for this")
                .at(topic, "and this is another")
                .hint("subscribe the address to your topic, and leave out email"),
        );
    }
    if let Some(arn) = table.text("notify.topic_arn") {
        topic(arn, table, problems);
    }
    if let Some(Err(wrong)) = table.text("notify.log_url").map(check_log_url) {
        let said = wrong.to_string();
        let (said, hint) = said.split_once("\nhint: ").unwrap_or((&said, ""));
        problems
            .push(Problem::new(format!("log_url {said}")).at(place("log_url"), "here").hint(hint));
    }
}

fn topic(arn: &str, table: &Table, problems: &mut Vec<Problem>) {
    let place = || table.place("notify.topic_arn");
    // https://docs.aws.amazon.com/sns/latest/dg/fifo-message-grouping.html
    if arn.ends_with(".fifo") {
        problems.push(
            Problem::new("topic_arn is a FIFO topic")
                .at(place(), "a FIFO topic takes no message without a group")
                .hint("name a standard topic"),
        );
    }
    let parts: Vec<&str> = arn.split(':').collect();
    if let [_, theirs, _, region, ..] = *parts
        && partition(region) != theirs
    {
        let right = partition(region);
        problems.push(
            Problem::new(format!("topic_arn is not the ARN of a topic: {region} is in {right}"))
                .at(place(), format!("arn:{theirs}"))
                .hint(format!("begin it with arn:{right}:, as SNS shows it")),
        );
    }
}
