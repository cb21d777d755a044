//! The keys of `[env.<name>.monitoring]`.

use super::keys::{Default, FUNCTION, Key, Kind, Section, TOPIC};

/// What is watched.
pub const MONITORING: Section = Section {
    name: "monitoring",
    about: "What is watched. All of it is off unless asked for: it costs money, or it needs something of the account.",
    keys: &[
        Key {
            name: "alarms",
            kind: Kind::Bool,
            default: Default::Bool(false),
            about: "Whether there are alarms. The account's first ten are free, each further one costs 10 cents a month.",
        },
        Key {
            name: "alarm_topic_arn",
            kind: Kind::Text(TOPIC),
            default: Default::Unset,
            about: "Where alarms go; without it they are seen in the console only.",
        },
        Key {
            name: "dashboard",
            kind: Kind::Bool,
            default: Default::Bool(false),
            about: "Whether there is a page of graphs. The account's first three are free.",
        },
        Key {
            name: "access_logs",
            kind: Kind::Bool,
            default: Default::Bool(false),
            about: "Whether API Gateway writes a line of JSON for each request, without its query string. The account needs a role for it.",
        },
        Key {
            name: "account_log_role",
            kind: Kind::Bool,
            default: Default::Bool(false),
            about: "Whether to make that role. It is one for the account and Region, and is removed again on destroy.",
        },
        Key {
            name: "detailed_metrics",
            kind: Kind::Bool,
            default: Default::Bool(false),
            about: "Whether API Gateway measures each route.",
        },
        Key {
            name: "container_insights",
            kind: Kind::Bool,
            default: Default::Bool(false),
            about: "Whether ECS measures each task.",
        },
        Key {
            name: "traced_functions",
            kind: Kind::Texts(FUNCTION),
            default: Default::Texts(&[]),
            about: "Functions that X-Ray traces.",
        },
    ],
    sections: &[],
};
