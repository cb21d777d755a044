//! Every key of `ralph.toml`, once: what it may hold, what it is when absent, what it is for.
//! Reading, `docs/configuration.md` and the JSON schema all come from this table.

use self::Default::{Derived, Required, Unset};
use self::Kind::{Bool, Integer, OneOf, OneOfIntegers, Positive, Text, TextMap, Texts};
use ralph_protocol::execution::MAX_DURATION_SECS;
use regex::Regex;
use serde_json::{Value, json};

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
    /// Worked out from other keys, in words.
    Derived(&'static str),
    /// A value.
    Value(fn() -> Value),
}

impl Section {
    /// The value of every key that has a default, by key and by table. A table that has a required
    /// key is absent unless the file has it.
    pub(super) fn defaults(&self) -> Value {
        let own = self.keys.iter().filter_map(|key| Some((key.name, key.default.value()?)));
        let optional = |inner: &&Section| inner.keys.iter().any(Key::is_required);
        let inner = self.sections.iter().filter(|inner| !optional(inner));
        own.chain(inner.map(|inner| (inner.name, inner.defaults()))).collect()
    }
}

impl Key {
    pub(super) fn is_required(&self) -> bool {
        matches!(self.default, Required)
    }
}

impl Default {
    /// The value, if the default is one.
    #[must_use]
    pub fn value(self) -> Option<Value> {
        if let Self::Value(value) = self { Some(value()) } else { None }
    }
}

impl Form {
    pub(super) fn fits(self, text: &str) -> bool {
        let pattern = Regex::new(self.pattern);
        pattern.expect("a test compiles every pattern of the table").is_match(text)
    }
}

impl Kind {
    /// Whether a key may hold a value that is neither a list nor a table.
    pub(super) fn accepts(self, value: &Value) -> bool {
        match self {
            Text(form) => value.as_str().is_some_and(|text| form.fits(text)),
            OneOf(all) => value.as_str().is_some_and(|text| all.contains(&text)),
            Integer(low, high) => value.as_i64().is_some_and(|n| (low..=high).contains(&n)),
            OneOfIntegers(all) => value.as_i64().is_some_and(|n| all.contains(&n)),
            Positive(high) => value.as_f64().is_some_and(|n| n > 0.0 && n <= high),
            Bool => value.is_boolean(),
            Texts(_) | TextMap => false,
        }
    }

    /// In words, as in "expected …".
    pub(super) fn words(self) -> String {
        match self {
            Text(form) => form.words.to_owned(),
            OneOf(all) => {
                all.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(" or ")
            }
            Texts(form) => format!("a list, each {}", form.words),
            TextMap => "a table of strings".to_owned(),
            Integer(low, high) => format!("a whole number from {low} to {high}"),
            OneOfIntegers(all) => {
                let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                format!("one of {}", all.join(", "))
            }
            Positive(high) => format!("a number more than 0, at most {high}"),
            Bool => "true or false".to_owned(),
        }
    }
}

/// Days that CloudWatch Logs accepts as a retention.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>
pub const RETENTIONS: [i64; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

/// AWS's regions as of November 2026, from the AWS SDK for Python (`partitions.json`).
pub(super) const REGIONS: &str = "\
    af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 \
    ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 \
    ap-southeast-7 ca-central-1 ca-west-1 cn-north-1 cn-northwest-1 eu-central-1 eu-central-2 \
    eu-isoe-west-1 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 eusc-de-east-1 \
    il-central-1 me-central-1 me-south-1 me-west-1 mx-central-1 sa-east-1 sa-west-1 us-east-1 \
    us-east-2 us-gov-east-1 us-gov-west-1 us-iso-east-1 us-iso-west-1 us-isob-east-1 us-isob-west-1 \
    us-isof-east-1 us-isof-south-1 us-west-1 us-west-2";

const RECOVERIES: [i64; 25] = [
    0, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
];
const SECONDS: Kind = Integer(1, MAX_DURATION_SECS as i64);

macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident: $pattern:literal, $words:literal;)*) => {
        $($(#[$doc])* pub(super) const $name: Form = Form { pattern: $pattern, words: $words };)*
    };
}

forms! {
    /// An environment's name.
    NAME: "^[a-z]([a-z0-9-]*[a-z0-9])?$",
        "lower-case letters, digits and `-`, beginning with a letter and not ending in `-`";
    /// Any string.
    STRING: "", "a string";
    ANY: "^[^\\u0000-\\u001f]+$", "text on one line";
    /// Made of parts that AWS uses. One that is not in `REGIONS` is a warning only: it may be new.
    REGION: "^(af|ap|ca|cn|eu|eu-isoe|eusc-de|il|me|mx|sa|us|us-gov|us-iso|us-isob|us-isof)-(central|north|northeast|northwest|south|southeast|southwest|east|west)-[1-9]$",
        "an AWS region, such as us-east-1";
    ACCOUNT: "^[0-9]{12}$", "an account id of 12 digits";
    BOUNDARY: "^arn:aws[a-z-]*:iam::[0-9a-z]+:policy/[A-Za-z0-9+=,.@_/-]+$",
        "the ARN of an IAM policy";
    BUCKET: "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        "the name of a bucket: 3 to 63 lower-case letters, digits, `.` and `-`";
    OBJECT: "^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$",
        "the name of an object: letters, digits, `_`, `.`, `-` and `/` between them";
    KMS_KEY: "^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[A-Za-z0-9/_-]+$",
        "the ARN of a KMS key";
    ENCRYPTION_KEY: "^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$",
        "the ARN of a KMS key, not of an alias";
    ROLE_PATH: "^/([!-~]+/)?$", "a path that begins and ends with `/`";
    TOPIC: "^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$", "the ARN of an SNS topic";
    FUNCTION: "^(authorize|connect|disconnect|send-logs|push-logs|task-events|admit|decide)$",
        "authorize, connect, disconnect, send-logs, push-logs, task-events, admit or decide";
    CIDR: "^([0-9]{1,3}\\.){3}[0-9]{1,3}/[0-9]{1,2}$", "an IPv4 range, such as 10.20.0.0/16";
    ZONE: "^[a-z]$", "the letter of an availability zone";
    VPC: "^vpc-[0-9a-f]{8,17}$", "the id of a VPC, such as vpc-0123456789abcdef0";
    SUBNET: "^subnet-[0-9a-f]{8,17}$", "the id of a subnet, such as subnet-0123456789abcdef0";
    ENDPOINT: "^(ecr\\.api|ecr\\.dkr|logs|secretsmanager)$",
        "ecr.api, ecr.dkr, logs or secretsmanager";
    TAG: "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$",
        "an image tag: up to 128 letters, digits, `_`, `.` and `-`";
    DIGEST: "^sha256:[0-9a-f]{64}$", "a digest: sha256: and 64 hexadecimal digits";
}

/// A row for each key: name, what it may hold, default, what it is for.
macro_rules! keys {
    ($($name:ident: $kind:expr, $default:expr, $about:literal;)*) => {
        &[$(Key { name: stringify!($name), kind: $kind, default: $default, about: $about }),*]
    };
}
macro_rules! or {
    ($value:tt) => {
        Default::Value(|| json!($value))
    };
}

/// The file.
pub const FILE: Section = Section {
    name: "",
    about: "Keys of the whole project.",
    keys: keys! {
        architecture: OneOf(&["x86_64", "arm64"]), or!("x86_64"),
            "Processor architecture of the Lambda functions and of the worker's image.";
    },
    sections: &[],
};

/// A table `[env.<name>]`.
pub const ENVIRONMENT: Section = Section {
    name: "env.<name>",
    about: "An environment. Its name becomes part of every name, so that environments can stand side by side; dev and prod share a few plain names and belong in an account each.",
    keys: keys! {
        region: Text(REGION), or!("us-east-1"), "AWS region.";
        account_id: Text(ACCOUNT), Unset,
            "The only account that the environment may be applied to.";
        production: Bool, or!(false),
            "Whether a plan needs `-var confirm_production=…`, so that nobody deploys it by accident.";
        log_retention_days: OneOfIntegers(&RETENTIONS), or!(7),
            "Days that log groups keep a line, and that runs are remembered.";
        secret_recovery_days: OneOfIntegers(&RECOVERIES), or!(0),
            "Days during which a deleted secret can be restored, and its name stays taken.";
        permissions_boundary_arn: Text(BOUNDARY), Unset,
            "A policy that bounds what every role of the environment can ever do.";
        role_path: Text(ROLE_PATH), or!("/"), "Path of every role of the environment.";
        kms_key_arn: Text(ENCRYPTION_KEY), Unset,
            "The key that encrypts the table, the logs, the secrets, the images, the failure queue and the functions' variables, in place of AWS's own. Its policy must let CloudWatch Logs use it; see docs/operations.md.";
        tags: TextMap, Unset, "Tags of every resource, beside Environment.";
    },
    sections: &[STATE, NETWORK, WORKER, WEBSOCKET, MONITORING],
};

const STATE: Section = Section {
    name: "state",
    about: "Where Terraform keeps the environment's state. Without this table it is a file in the root's folder. With it, it is an object in an S3 bucket that exists already, best with versioning on; a lock file beside it keeps two people from applying at once, and the root then needs Terraform or OpenTofu 1.10 or later.",
    keys: keys! {
        bucket: Text(BUCKET), Required, "The bucket.";
        key: Text(OBJECT), Derived("`ralph/<name>/terraform.tfstate`"), "The object.";
        region: Text(REGION), Derived("the environment's region"), "The bucket's region.";
        kms_key_arn: Text(KMS_KEY), Unset,
            "The key that encrypts the object; without one it is the bucket's own encryption.";
    },
    sections: &[],
};

const NETWORK: Section = Section {
    name: "network",
    about: "Where tasks run. Mode create makes a VPC with a public subnet in each zone and, unless nat asks for it, no NAT: tasks have a public address while they run, accept nothing and open TLS connections only.",
    keys: keys! {
        mode: OneOf(&["create", "default", "existing"]), or!("create"),
            "A VPC of its own, the account's default VPC, or the VPC that vpc_id names.";
        cidr: Text(CIDR), Derived("10.20.0.0/16 for dev, 10.30.0.0/16 for prod, else 10.64.0.0/16 to 10.127.0.0/16 by the environment's name"),
            "Address range in mode create, /16 to /24; it overlaps no other environment's.";
        zones: Texts(ZONE), or!(["a", "b"]),
            "Availability zones of the region, two to six letters.";
        vpc_id: Text(VPC), Unset, "The VPC in mode existing.";
        subnet_ids: Texts(SUBNET), Unset,
            "The subnets in mode existing, in two availability zones at least; tasks there must reach the internet over 443.";
        private: Bool, or!(false),
            "Whether the subnets of mode existing are private: tasks there get no public address.";
        nat: OneOf(&["none", "single", "per-az"]), or!("none"),
            "The way out in mode create: a public address for each task while it runs, or private subnets behind one NAT gateway, or behind one in each zone. A NAT gateway costs about 33 dollars a month.";
        interface_endpoints: Texts(ENDPOINT), or!([]),
            "Services that mode create reaches without leaving AWS. Each costs about 7 dollars a month in each zone.";
        flow_logs: Bool, or!(false),
            "Whether mode create records which addresses talked to each other.";
    },
    sections: &[],
};

const WORKER: Section = Section {
    name: "worker",
    about: "A task and the limits of one execution. A run may set limits of its own.",
    keys: keys! {
        cpu: OneOfIntegers(&[256, 512, 1024, 2048, 4096, 8192, 16384]), or!(1024),
            "CPU units; 1024 is one processor.";
        memory: Integer(512, 122_880), or!(2048),
            "Memory in MiB; the possible sizes depend on cpu.";
        storage_gib: Integer(21, 200), or!(21), "Scratch space in GiB; the first 20 are free.";
        image_tag: Text(TAG), or!("0.1.0"),
            "Tag of the worker's image. Tags cannot be moved: a new image needs a new tag.";
        image_digest: Text(DIGEST), Unset,
            "Digest of the image, as `just push-worker` prints it; tasks then use exactly that image.";
        keep_images: Bool, or!(false),
            "Whether destroying fails while the image repository holds images.";
        images_kept: Integer(1, 10_000), or!(30),
            "Images that the repository keeps; older ones are deleted.";
        untagged_image_days: Integer(1, 3650), or!(1),
            "Days after which an image without a tag is deleted.";
        agent_command: Text(ANY), Derived("the worker's own: claude, headless"),
            "The agent's command line.";
        verify_command: Text(ANY), Unset,
            "A command that must pass before the work counts as complete.";
        max_iterations: Integer(1, 100_000), or!(50), "Highest number of iterations.";
        max_duration_secs: SECONDS, or!(28_800), "Longest duration in seconds.";
        max_cost_usd: Positive(1e6), or!(25.0), "Highest cost in US dollars.";
        iteration_timeout_secs: SECONDS, or!(3600),
            "Longest iteration in seconds; at most max_duration_secs.";
        silence_secs: SECONDS, or!(900),
            "Longest time without output of the agent, in seconds; at most iteration_timeout_secs.";
        max_stalls: Integer(1, 1000), or!(3), "Most iterations in a row without progress.";
    },
    sections: &[],
};

const WEBSOCKET: Section = Section {
    name: "websocket",
    about: "The API that browsers connect to, and its table.",
    keys: keys! {
        burst: Integer(1, 5000), or!(500), "Most messages at once, over all connections.";
        rate: Integer(1, 10_000), or!(1000), "Messages a second, over all connections.";
        push_logs_concurrency: Integer(1, 1000), Unset,
            "Instances that are reserved for push-logs, and its highest number. Without it push-logs shares the account's.";
        table_backups: Bool, or!(false),
            "Whether the table can be restored to any second of the last 35 days.";
        table_deletion_protection: Bool, or!(false),
            "Whether the table is protected against deletion.";
    },
    sections: &[],
};

const MONITORING: Section = Section {
    name: "monitoring",
    about: "Logs, alarms and metrics. All are off by default: each costs money, or requires something of the account.",
    keys: keys! {
        alarms: Bool, or!(false),
            "Whether there are alarms. The account's first ten are free, each further one costs 10 cents a month.";
        alarm_topic_arn: Text(TOPIC), Unset,
            "Where alarms go, in the environment's region; without it they are seen in the console only.";
        dashboard: Bool, or!(false),
            "Whether there is a page of graphs. The account's first three are free.";
        access_logs: Bool, or!(false),
            "Whether API Gateway writes a line of JSON for each request, without its query string. The account needs a role for it.";
        account_log_role: Bool, or!(false),
            "Whether to make that role. It is one for the account and Region, and is removed again on destroy.";
        detailed_metrics: Bool, or!(false), "Whether API Gateway measures each route.";
        container_insights: Bool, or!(false), "Whether ECS measures each task.";
        traced_functions: Texts(FUNCTION), or!([]), "Functions that X-Ray traces.";
    },
    sections: &[],
};
