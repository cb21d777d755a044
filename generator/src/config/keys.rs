//! Every key of `ralph.toml`, once: what it may hold, what it is when absent, what it is for.
//! Reading, `docs/configuration.md` and the JSON schema all come from this table.

use ralph_protocol::execution::MAX_DURATION_SECS;

use super::monitoring::MONITORING;

/// A table of the file.
#[derive(Debug)]
pub struct Section {
    /// Its name within the table above it; empty for the file itself.
    pub name: &'static str,
    /// What it is about, a sentence.
    pub about: &'static str,
    /// Its own keys.
    pub keys: &'static [Key],
    /// Tables within it.
    pub sections: &'static [Section],
}

/// A key.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// What it is when absent.
    pub default: Default,
    /// What it is for, a sentence.
    pub about: &'static str,
}

/// What a key may hold.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A string of a form.
    Text(Form),
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// A list of strings of a form.
    Texts(Form),
    /// Strings by name.
    TextMap,
    /// A whole number in a range.
    Integer(i64, i64),
    /// One of these whole numbers.
    OneOfIntegers(&'static [i64]),
    /// A number more than zero, up to this.
    Positive(f64),
    /// true or false.
    Bool,
}

/// The form of a string: a pattern (of JSON schema, anchored) and what it means in words.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// The pattern.
    pub pattern: &'static str,
    /// In words, as in "expected …".
    pub words: &'static str,
}

/// What a key is when absent.
#[derive(Debug, Clone, Copy)]
pub enum Default {
    /// The key is required if its table is there.
    Required,
    /// Nothing: the key is left out on purpose.
    Unset,
    /// A string.
    Text(&'static str),
    /// A list.
    Texts(&'static [&'static str]),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// true or false.
    Bool(bool),
    /// Worked out from other keys, in words.
    Derived(&'static str),
}

/// Days that CloudWatch Logs accepts as a retention.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>
pub const RETENTIONS: [i64; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

const CPUS: [i64; 7] = [256, 512, 1024, 2048, 4096, 8192, 16384];
const SECONDS: Kind = Kind::Integer(1, MAX_DURATION_SECS as i64);
const ANY: Form = Form { pattern: "^[^\\u0000-\\u001f]+$", words: "text on one line" };
const REGION: Form =
    Form { pattern: "^[a-z]{2}(-[a-z]+)+-[0-9]$", words: "an AWS region, such as us-east-1" };
const ACCOUNT: Form = Form { pattern: "^[0-9]{12}$", words: "an account id of 12 digits" };
const BOUNDARY: Form = Form {
    pattern: "^arn:aws[a-z-]*:iam::[0-9a-z]+:policy/[A-Za-z0-9+=,.@_/-]+$",
    words: "the ARN of an IAM policy",
};
const BUCKET: Form = Form {
    pattern: "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
    words: "the name of a bucket: 3 to 63 lower-case letters, digits, `.` and `-`",
};
const OBJECT: Form = Form {
    pattern: "^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$",
    words: "the name of an object: letters, digits, `_`, `.`, `-` and `/` between them",
};
const KMS_KEY: Form = Form {
    pattern: "^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[A-Za-z0-9/_-]+$",
    words: "the ARN of a KMS key",
};
const ENCRYPTION_KEY: Form = Form {
    pattern: "^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$",
    words: "the ARN of a KMS key, not of an alias",
};
const ROLE_PATH: Form =
    Form { pattern: "^/([!-~]+/)?$", words: "a path that begins and ends with `/`" };
pub(super) const TOPIC: Form = Form {
    pattern: "^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$",
    words: "the ARN of an SNS topic",
};
pub(super) const FUNCTION: Form = Form {
    pattern: "^(authorize|connect|disconnect|send-logs|push-logs|task-events)$",
    words: "authorize, connect, disconnect, send-logs, push-logs or task-events",
};
const CIDR: Form = Form {
    pattern: "^([0-9]{1,3}\\.){3}[0-9]{1,3}/[0-9]{1,2}$",
    words: "an IPv4 range, such as 10.20.0.0/16",
};
const ZONE: Form = Form { pattern: "^[a-z]$", words: "the letter of an availability zone" };
const VPC: Form = Form {
    pattern: "^vpc-[0-9a-f]{8,17}$",
    words: "the id of a VPC, such as vpc-0123456789abcdef0",
};
const SUBNET: Form = Form {
    pattern: "^subnet-[0-9a-f]{8,17}$",
    words: "the id of a subnet, such as subnet-0123456789abcdef0",
};
const ENDPOINT: Form = Form {
    pattern: "^(ecr\\.api|ecr\\.dkr|logs|secretsmanager)$",
    words: "ecr.api, ecr.dkr, logs or secretsmanager",
};
const TAG: Form = Form {
    pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$",
    words: "an image tag: up to 128 letters, digits, `_`, `.` and `-`",
};
const DIGEST: Form =
    Form { pattern: "^sha256:[0-9a-f]{64}$", words: "a digest: sha256: and 64 hexadecimal digits" };

/// The file.
pub const FILE: Section = Section {
    name: "",
    about: "Keys of the whole project.",
    keys: &[Key {
        name: "architecture",
        kind: Kind::OneOf(&["x86_64", "arm64"]),
        default: Default::Text("x86_64"),
        about: "Processor architecture of the Lambda functions and of the worker's image.",
    }],
    sections: &[],
};

/// A table `[env.<name>]`.
pub const ENVIRONMENT: Section = Section {
    name: "env.<name>",
    about: "An environment. Its name becomes part of every name, so that environments can stand side by side; dev and prod share a few plain names and belong in an account each.",
    keys: &[
        Key {
            name: "region",
            kind: Kind::Text(REGION),
            default: Default::Text("us-east-1"),
            about: "AWS region.",
        },
        Key {
            name: "account_id",
            kind: Kind::Text(ACCOUNT),
            default: Default::Unset,
            about: "The only account that the environment may be applied to.",
        },
        Key {
            name: "production",
            kind: Kind::Bool,
            default: Default::Bool(false),
            about: "Whether a plan needs `-var confirm_production=…`, so that nobody deploys it by accident.",
        },
        Key {
            name: "log_retention_days",
            kind: Kind::OneOfIntegers(&RETENTIONS),
            default: Default::Integer(7),
            about: "Days that log groups keep a line, and that runs are remembered.",
        },
        Key {
            name: "secret_recovery_days",
            kind: Kind::OneOfIntegers(&[
                0, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
                28, 29, 30,
            ]),
            default: Default::Integer(0),
            about: "Days during which a deleted secret can be restored, and its name stays taken.",
        },
        Key {
            name: "permissions_boundary_arn",
            kind: Kind::Text(BOUNDARY),
            default: Default::Unset,
            about: "A policy that bounds what every role of the environment can ever do.",
        },
        Key {
            name: "role_path",
            kind: Kind::Text(ROLE_PATH),
            default: Default::Text("/"),
            about: "Path of every role of the environment.",
        },
        Key {
            name: "kms_key_arn",
            kind: Kind::Text(ENCRYPTION_KEY),
            default: Default::Unset,
            about: "The key that encrypts the table, the logs, the secrets, the images, the failure queue and the functions' variables, in place of AWS's own. Its policy must let CloudWatch Logs use it; see docs/operations.md.",
        },
        Key {
            name: "tags",
            kind: Kind::TextMap,
            default: Default::Unset,
            about: "Tags of every resource, beside Environment.",
        },
    ],
    sections: &[STATE, NETWORK, WORKER, WEBSOCKET, MONITORING],
};

const STATE: Section = Section {
    name: "state",
    about: "Where Terraform keeps the environment's state. Without this table it is a file in the root's folder. With it, it is an object in an S3 bucket that exists already, best with versioning on; a lock file beside it keeps two people from applying at once, and the root then needs Terraform or OpenTofu 1.10 or later.",
    keys: &[
        Key {
            name: "bucket",
            kind: Kind::Text(BUCKET),
            default: Default::Required,
            about: "The bucket.",
        },
        Key {
            name: "key",
            kind: Kind::Text(OBJECT),
            default: Default::Derived("`ralph/<name>/terraform.tfstate`"),
            about: "The object.",
        },
        Key {
            name: "region",
            kind: Kind::Text(REGION),
            default: Default::Derived("the environment's region"),
            about: "The bucket's region.",
        },
        Key {
            name: "kms_key_arn",
            kind: Kind::Text(KMS_KEY),
            default: Default::Unset,
            about: "The key that encrypts the object; without one it is the bucket's own encryption.",
        },
    ],
    sections: &[],
};

const NETWORK: Section = Section {
    name: "network",
    about: "Where tasks run. Mode create makes a VPC with a public subnet in each zone and, unless nat asks for it, no NAT: tasks have a public address while they run, accept nothing and open TLS connections only.",
    keys: &[
        Key {
            name: "mode",
            kind: Kind::OneOf(&["create", "default", "existing"]),
            default: Default::Text("create"),
            about: "A VPC of its own, the account's default VPC, or the VPC that vpc_id names.",
        },
        Key {
            name: "cidr",
            kind: Kind::Text(CIDR),
            default: Default::Derived(
                "10.20.0.0/16 for dev, 10.30.0.0/16 for prod, else 10.64.0.0/16 to 10.127.0.0/16 by the environment's name",
            ),
            about: "Address range in mode create, /16 to /24; it overlaps no other environment's.",
        },
        Key {
            name: "zones",
            kind: Kind::Texts(ZONE),
            default: Default::Texts(&["a", "b"]),
            about: "Availability zones of the region, two to six letters.",
        },
        Key {
            name: "vpc_id",
            kind: Kind::Text(VPC),
            default: Default::Unset,
            about: "The VPC in mode existing.",
        },
        Key {
            name: "subnet_ids",
            kind: Kind::Texts(SUBNET),
            default: Default::Unset,
            about: "The subnets in mode existing, in two availability zones at least; tasks there must reach the internet over 443.",
        },
        Key {
            name: "private",
            kind: Kind::Bool,
            default: Default::Bool(false),
            about: "Whether the subnets of mode existing are private: tasks there get no public address.",
        },
        Key {
            name: "nat",
            kind: Kind::OneOf(&["none", "single", "per-az"]),
            default: Default::Text("none"),
            about: "The way out in mode create: a public address for each task while it runs, or private subnets behind one NAT gateway, or behind one in each zone. A NAT gateway costs about 33 dollars a month.",
        },
        Key {
            name: "interface_endpoints",
            kind: Kind::Texts(ENDPOINT),
            default: Default::Texts(&[]),
            about: "Services that mode create reaches without leaving AWS. Each costs about 7 dollars a month in each zone.",
        },
        Key {
            name: "flow_logs",
            kind: Kind::Bool,
            default: Default::Bool(false),
            about: "Whether mode create records which addresses talked to each other.",
        },
    ],
    sections: &[],
};

const WORKER: Section = Section {
    name: "worker",
    about: "A task and the limits of one execution. A run may set limits of its own.",
    keys: &[
        Key {
            name: "cpu",
            kind: Kind::OneOfIntegers(&CPUS),
            default: Default::Integer(1024),
            about: "CPU units; 1024 is one processor.",
        },
        Key {
            name: "memory",
            kind: Kind::Integer(512, 122_880),
            default: Default::Integer(2048),
            about: "Memory in MiB; the possible sizes depend on cpu.",
        },
        Key {
            name: "storage_gib",
            kind: Kind::Integer(21, 200),
            default: Default::Integer(21),
            about: "Scratch space in GiB; the first 20 are free.",
        },
        Key {
            name: "image_tag",
            kind: Kind::Text(TAG),
            default: Default::Text("0.1.0"),
            about: "Tag of the worker's image. Tags cannot be moved: a new image needs a new tag.",
        },
        Key {
            name: "image_digest",
            kind: Kind::Text(DIGEST),
            default: Default::Unset,
            about: "Digest of the image, as `just push-worker` prints it; tasks then use exactly that image.",
        },
        Key {
            name: "keep_images",
            kind: Kind::Bool,
            default: Default::Bool(false),
            about: "Whether destroying fails while the image repository holds images.",
        },
        Key {
            name: "images_kept",
            kind: Kind::Integer(1, 10_000),
            default: Default::Integer(30),
            about: "Images that the repository keeps; older ones are deleted.",
        },
        Key {
            name: "untagged_image_days",
            kind: Kind::Integer(1, 3650),
            default: Default::Integer(1),
            about: "Days after which an image without a tag is deleted.",
        },
        Key {
            name: "agent_command",
            kind: Kind::Text(ANY),
            default: Default::Derived("the worker's own: claude, headless"),
            about: "The agent's command line.",
        },
        Key {
            name: "verify_command",
            kind: Kind::Text(ANY),
            default: Default::Unset,
            about: "A command that must pass before the work counts as complete.",
        },
        Key {
            name: "max_iterations",
            kind: Kind::Integer(1, 100_000),
            default: Default::Integer(50),
            about: "Highest number of iterations.",
        },
        Key {
            name: "max_duration_secs",
            kind: SECONDS,
            default: Default::Integer(8 * 3600),
            about: "Longest duration in seconds.",
        },
        Key {
            name: "max_cost_usd",
            kind: Kind::Positive(1e6),
            default: Default::Number(25.0),
            about: "Highest cost in US dollars.",
        },
        Key {
            name: "iteration_timeout_secs",
            kind: SECONDS,
            default: Default::Integer(3600),
            about: "Longest iteration in seconds; at most max_duration_secs.",
        },
        Key {
            name: "silence_secs",
            kind: SECONDS,
            default: Default::Integer(900),
            about: "Longest time without output of the agent, in seconds; at most iteration_timeout_secs.",
        },
        Key {
            name: "max_stalls",
            kind: Kind::Integer(1, 1000),
            default: Default::Integer(3),
            about: "Most iterations in a row without progress.",
        },
    ],
    sections: &[],
};

const WEBSOCKET: Section = Section {
    name: "websocket",
    about: "The API that browsers connect to, and its table.",
    keys: &[
        Key {
            name: "burst",
            kind: Kind::Integer(1, 5000),
            default: Default::Integer(500),
            about: "Most messages at once, over all connections.",
        },
        Key {
            name: "rate",
            kind: Kind::Integer(1, 10_000),
            default: Default::Integer(1000),
            about: "Messages a second, over all connections.",
        },
        Key {
            name: "push_logs_concurrency",
            kind: Kind::Integer(1, 1000),
            default: Default::Unset,
            about: "Instances that are reserved for push-logs, and its highest number. Without it push-logs shares the account's.",
        },
        Key {
            name: "table_backups",
            kind: Kind::Bool,
            default: Default::Bool(false),
            about: "Whether the table can be restored to any second of the last 35 days.",
        },
        Key {
            name: "table_deletion_protection",
            kind: Kind::Bool,
            default: Default::Bool(false),
            about: "Whether the table is protected against deletion.",
        },
    ],
    sections: &[],
};

impl Kind {
    /// In words, as in "expected …".
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Text(form) => form.words.to_owned(),
            Self::OneOf(values) => {
                values.iter().map(|value| format!("\"{value}\"")).collect::<Vec<_>>().join(" or ")
            }
            Self::Texts(form) => format!("a list, each {}", form.words),
            Self::TextMap => "a table of strings".to_owned(),
            Self::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Self::OneOfIntegers(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                format!("one of {}", values.join(", "))
            }
            Self::Positive(high) => format!("a number more than 0, at most {high}"),
            Self::Bool => "true or false".to_owned(),
        }
    }
}
