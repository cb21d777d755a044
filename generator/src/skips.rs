//! Every check of [checkov](https://www.checkov.io) that the project skips, with the reason. A
//! resource names one with [`Resource::skip`](crate::hcl::Resource::skip); `docs/checkov.md` prints
//! the table, and a test sees to it that each is used.

use crate::hcl::Skip;

macro_rules! skips {
    ($($name:ident = $id:literal, $reason:literal;)*) => {
        $(
            #[doc = $reason]
            pub static $name: Skip = Skip { id: $id, reason: $reason };
        )*
        /// All of them.
        pub static TABLE: &[&Skip] = &[$(&$name),*];
    };
}

skips! {
    ACCESS_LOGS = "CKV_AWS_76",
        "a switch: on an account without a log role for API Gateway they fail";
    ACCOUNT_LOG_ROLE = "CKV_AWS_290",
        "the role is the account's: API Gateway refuses one that may not write every group";
    ACCOUNT_LOG_ROLE_EVERYWHERE = "CKV_AWS_355",
        "the role is the account's: API Gateway refuses one that names groups";
    AUTHORIZED_ON_CONNECT = "CKV_AWS_309",
        "a WebSocket API authorizes $connect; the other routes exist only on a connection";
    CODE_UNSIGNED = "CKV_AWS_272", "the zip is built where it is applied";
    CONTAINER_INSIGHTS = "CKV_AWS_65", "a switch: the metrics of a task cost more than its logs";
    FLOW_LOGS = "CKV2_AWS_11",
        "flow logs cost more than the tasks; turn them on for the account where they are required";
    GROUP_OF_TASKS = "CKV2_AWS_5",
        "a task or an endpoint takes the group when it is started, which the scan cannot see";
    IMAGE_KEY = "CKV_AWS_136", "AES256 with AWS's key, unless the input kms_key_arn names another";
    LOG_KEY = "CKV_AWS_158", "CloudWatch Logs encrypts with its own key, unless the input kms_key_arn names another";
    NO_CLIENT_CERTIFICATE = "CKV2_AWS_51", "browsers bring a token, not a certificate";
    NO_DEAD_LETTERS = "CKV_AWS_116",
        "called synchronously, or with a destination for failures in place of a dead-letter queue";
    NO_RESERVATION = "CKV_AWS_115", "a reservation fails on accounts with a low quota";
    NO_ROTATION = "CKV2_AWS_57",
        "the values are the user's own and are replaced with `ralph keys set`";
    NO_TRACING = "CKV_AWS_50", "tracing is an input, off by default: each function has metrics of its own";
    NO_VPC = "CKV_AWS_117", "nothing private to reach, and a VPC would need NAT";
    NO_EXECUTION_DATA = "CKV_AWS_285",
        "a command or a reason can quote what a repository says; the execution's history holds it";
    PARAMETER_IN_CLEAR = "CKV2_AWS_34", "it holds names and ARNs, no secret";
    PARAMETER_KEY = "CKV_AWS_337", "it holds names and ARNs, no secret";
    SHORT_RETENTION = "CKV_AWS_338", "the retention is an input, and a year is not the default";
    TABLE_BACKUPS = "CKV_AWS_28", "a switch: rows of connections and runs expire by themselves";
    TABLE_KEY = "CKV_AWS_119", "AWS's own key, unless the input kms_key_arn names another";
    VARIABLES_KEY = "CKV_AWS_173", "the variables hold names, no secret";
}

/// What no log group follows.
pub static LOG_GROUP: &[&Skip] = &[&SHORT_RETENTION, &LOG_KEY];
