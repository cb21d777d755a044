//! `ralph.toml`: what is wrong is shown where it stands, all at once.

use ralph_generator::config::keys::{KEYS, Kind, Section};
use ralph_generator::config::{self, NetworkMode, reference};
use ralph_generator::generate;
use ralph_protocol::execution::{
    DEFAULT_MAX_COMMIT_FILES, DEFAULT_MAX_COMMIT_MB, DEFAULT_MAX_LOG_MB, MAX_COMMIT_FILES,
    MAX_DURATION_SECS, MAX_MB,
};
use ralph_protocol::names::Handler;
use serde_json::Value;

use crate::random::Dice;
use crate::support::SETTINGS;

fn refused(text: &str) -> String {
    match config::parse("ralph.toml", text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_mistake_shows_its_line_and_what_is_allowed() {
    assert_eq!(
        refused("[env.dev]\nlog_retention = 7\n"),
        "unknown key `log_retention`
 --> ralph.toml:2:1
  |
2 | log_retention = 7
  | ^^^^^^^^^^^^^ not a key here
  |
  = hint: did you mean `log_retention_days`?"
    );
    assert_eq!(
        refused("[env.dev.worker]\ncpu = 256\nmemory = 4096\n"),
        "Fargate has no task with 256 CPU units and 4096 MiB
 --> ralph.toml:3:10
  |
2 | cpu = 256
  |       --- with this cpu
3 | memory = 4096
  |          ^^^^ this memory
  |
  = hint: with cpu = 256, memory is one of 512, 1024, 2048"
    );
    assert_eq!(
        refused(
            "[env.dev]\nnetwork.cidr = \"10.0.0.0/16\"\n[env.prod]\nnetwork.cidr = \"10.0.128.0/17\"\n"
        ),
        "the ranges 10.0.128.0/17 and 10.0.0.0/16 overlap
 --> ralph.toml:4:16
  |
2 | network.cidr = \"10.0.0.0/16\"
  |                ------------- dev has 10.0.0.0/16
3 | [env.prod]
4 | network.cidr = \"10.0.128.0/17\"
  |                ^^^^^^^^^^^^^^^ prod has 10.0.128.0/17
  |
  = hint: give each environment a range of its own with network.cidr"
    );
}

#[test]
fn all_mistakes_are_shown_at_once_in_the_order_of_the_file() {
    let text = refused(
        "architecture = 5\n[env.dev]\nregion = \"mars\"\n[env.dev.network]\nzones = [\"a\", \"1\", 7]\n[env.prod]\nproduction = \"yes\"\n",
    );
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("--> ")).collect();
    let places: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    assert_eq!(
        places,
        [
            "--> ralph.toml:1:16",
            "--> ralph.toml:3:10",
            "--> ralph.toml:5:15",
            "--> ralph.toml:5:20",
            "--> ralph.toml:7:14",
        ]
    );
}

#[test]
fn rules() {
    for (toml, says) in [
        ("", "no environment is described"),
        ("[env]\n", "no environment is described"),
        ("env = 1\n", "expected tables, such as [env.dev]"),
        ("[env.dev\n", "--> ralph.toml:1:9"),
        ("[env.dev]\nregion = 1\nregion = 2\n", "duplicate key"),
        ("[env.\"\"]\n", "`` cannot name an environment"),
        ("[env.Dev]\n", "`Dev` cannot name an environment"),
        ("[env.a-]\n", "`a-` cannot name an environment"),
        ("[env.dev]\nregion = \"us-east\"\n", "expected an AWS region, such as us-east-1"),
        ("[env.dev]\naccount_id = \"1234\"\n", "expected an account id of 12 digits"),
        ("[env.dev]\nlog_retention_days = 8\n", "expected one of 1, 3, 5, 7, 14, 30"),
        ("[env.dev]\nsecret_recovery_days = 5\n", "expected one of 0, 7, 8"),
        ("[env.dev]\nproduction = 1\n", "found integer"),
        ("[env.dev]\nworker = 1\n", "expected a table"),
        ("[env.dev.worker]\ncpu = 300\n", "expected one of 256, 512"),
        ("[env.dev.worker]\ncpu = 4096\n", "Fargate has no task with 4096 CPU units and 2048 MiB"),
        ("[env.dev.worker]\nstorage_gib = 20\n", "a whole number from 21 to 200"),
        ("[env.dev.worker]\nimage_tag = \"a b\"\n", "expected an image tag"),
        ("[env.dev.worker]\nimage_tag = \"latest\"\n", "tags here cannot be moved"),
        ("[env.dev.worker]\nimage_digest = \"sha256:12\"\n", "expected a digest"),
        ("[env.dev.worker]\nmax_cost_usd = 0\n", "a number more than 0"),
        ("[env.dev.worker]\nmax_cost_usd = nan\n", "a number more than 0"),
        ("[env.dev.worker]\nmax_iterations = 0\n", "from 1 to 100000"),
        ("[env.dev.worker]\nagent_command = \"a\\nb\"\n", "expected text on one line"),
        (
            "[env.dev.worker]\nsilence_secs = 4000\n",
            "silence_secs is longer than iteration_timeout_secs",
        ),
        (
            "[env.dev.worker]\nmax_duration_secs = 60\n",
            "iteration_timeout_secs is longer than max_duration_secs",
        ),
        ("[env.dev.network]\ncidr = \"10.0.0.0/8\"\n", "hint: the prefix length of a VPC"),
        ("[env.dev.network]\ncidr = \"10.0.0.1/16\"\n", "hint: the range begins at 10.0.0.0/16"),
        (
            "[env.dev.network]\ncidr = \"10.0.0.999/16\"\n",
            "hint: a range is an address and a prefix",
        ),
        ("[env.dev.network]\nzones = [\"a\"]\n", "two to six different availability zones"),
        ("[env.dev.network]\nzones = [\"a\", \"a\"]\n", "two to six different availability zones"),
        (
            "[env.dev.network]\nmode = \"shared\"\n",
            "expected \"create\" or \"default\" or \"existing\"",
        ),
        ("[env.dev.network]\nmode = \"existing\"\n", "mode \"existing\" requires vpc_id"),
        (
            "[env.dev.network]\nmode = \"default\"\ncidr = \"10.0.0.0/16\"\n",
            "cidr has no meaning in mode \"default\"",
        ),
        (
            "[env.dev.network]\nvpc_id = \"vpc-0123456789abcdef0\"\n",
            "vpc_id has no meaning in mode \"create\"",
        ),
        ("[env.dev.state]\n", "state requires bucket"),
        ("[env.dev.state]\nbucket = \"Mine\"\n", "expected the name of a bucket"),
        ("[env.dev.state]\nbucket = \"mine\"\nkey = \"/x\"\n", "expected the name of an object"),
        ("[env.dev.state]\nbucket = \"mine\"\nkms_key_arn = \"x\"\n", "expected the ARN of a KMS"),
        (
            "[env.dev.state]\nbucket = \"mine\"\nkey = \"x\"\n[env.prod.state]\nbucket = \"mine\"\nkey = \"x\"\n",
            "hint: an apply of one would destroy the other",
        ),
        ("[env.dev.tags]\nenvironment = \"x\"\n", "every resource has this tag already"),
        ("[dev]\n", "hint: an environment is a table of env: [env.dev]"),
        ("[env.dev]\naccount_id = 123456789012\n", "hint: put it in quotes"),
        ("[env.dev.worker]\ncpu = \"1024\"\n", "hint: write `cpu = 1024`"),
        ("[env.dev.network]\nzones = \"a\"\n", "hint: a list stands in brackets"),
        ("[env.dev.tags]\nOwner = \"a<b\"\n", "a tag holds letters, digits, spaces and"),
        ("[env.\"../x\"]\n", "`../x` cannot name an environment"),
        ("[[env.dev]]\n", "expected a table, such as [env.dev]"),
        ("[env.dev.tags]\n\"aws:x\" = \"x\"\n", "AWS keeps this prefix to itself"),
        (
            "[env.dev]\naccount_id = \"123456789012\"\n[env.prod]\naccount_id = \"123456789012\"\n",
            "hint: both would make /ralph/workstreams, ralph-worker; give each an account of its own",
        ),
        (
            "[env.dev.worker]\npull_request = \"drafts\"\n",
            "expected \"none\" or \"draft\" or \"ready\"",
        ),
        ("[env.dev.notify]\nemail = \"team\"\n", "expected one e-mail address, such as"),
        (
            "[env.dev.notify]\nemail = \"a@example.com, b@example.com\"\n",
            "expected one e-mail address, such as team@example.com\n --> ralph.toml:2:9",
        ),
        (
            "[env.dev.notify]\ntopic_arn = \"arn:aws:sqs:us-east-1:123456789012:queue\"\n",
            "expected the ARN of an SNS topic",
        ),
        (
            "[env.dev.notify]\nemail = \"a@example.com\"\ntopic_arn = \"arn:aws:sns:us-east-1:123456789012:t\"\n",
            "email and topic_arn exclude each other\n --> ralph.toml:2:9",
        ),
        (
            "[env.dev.notify]\ntopic_arn = \"arn:aws:sns:us-east-1:123456789012:t.fifo\"\n",
            "hint: name a standard topic",
        ),
        (
            "[env.dev.notify]\ntopic_arn = \"arn:aws:sns:eu-west-1:123456789012:t\"\n",
            "the topic is in eu-west-1, the environment in us-east-1\n --> ralph.toml:2:13",
        ),
        (
            "[env.dev.notify]\ntopic_arn = \"arn:aws-cn:sns:us-east-1:123456789012:t\"\n",
            "hint: begin it with arn:aws:, as SNS shows it",
        ),
        (
            "[env.dev.notify]\nlog_url = \"http://logs.example.com/{run}\"\n",
            "expected an https URL, such as",
        ),
        (
            "[env.dev.notify]\nlog_url = \"https://logs.example.com/{task}\"\n",
            "log_url holds {task}, which is not known\n --> ralph.toml:2:11",
        ),
        (
            "[env.a]\naccount_id = \"123456789012\"\ncreate_service_linked_role = true\n[env.b]\naccount_id = \"123456789012\"\ncreate_service_linked_role = true\nregion = \"eu-west-1\"\n",
            "a and b would both make the role that ECS itself uses\n --> ralph.toml:6:30",
        ),
    ] {
        let text = refused(toml);
        assert!(text.contains(says), "{toml}\nshould say: {says}\nsays: {text}");
    }
}

#[test]
fn what_belongs_to_another_region_or_account_is_refused() {
    let region = "[env.dev]\nregion = \"eu-central-1\"\n";
    let key = "kms_key_arn = \"arn:aws:kms:us-east-1:123456789012:key/abc\"\n";
    assert_eq!(
        refused(&format!("{region}{key}")),
        "the key is in us-east-1, the environment in eu-central-1
 --> ralph.toml:3:15
  |
2 | region = \"eu-central-1\"
  |          -------------- in eu-central-1
3 | kms_key_arn = \"arn:aws:kms:us-east-1:123456789012:key/abc\"
  |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ in us-east-1
  |
  = hint: name a key in eu-central-1"
    );
    let topic = "alarm_topic_arn = \"arn:aws:sns:us-west-2:123456789012:alarms\"\n";
    let state = "[env.dev.state]\nbucket = \"mine\"\n";
    let boundary =
        |account: &str| format!("permissions_boundary_arn = \"arn:aws:iam::{account}:policy/x\"\n");
    let account = "[env.dev]\naccount_id = \"123456789012\"\n";
    for (text, says) in [
        (
            format!("[env.dev.monitoring]\nalarms = true\n{topic}"),
            "the topic is in us-west-2, the environment in us-east-1\n --> ralph.toml:3:19",
        ),
        (
            format!("[env.dev.monitoring]\n{topic}"),
            "alarm_topic_arn has no meaning without alarms\n --> ralph.toml:2:19",
        ),
        (
            format!("{region}{state}{key}"),
            "the key is in us-east-1, the bucket in eu-central-1\n --> ralph.toml:5:15",
        ),
        (
            format!("{account}{}", boundary("000000000000")),
            "the boundary is in account 000000000000, the environment in 123456789012",
        ),
    ] {
        let said = refused(&text);
        assert!(said.contains(says), "{text}\nshould say: {says}\nsays: {said}");
    }
    for good in [
        format!("[env.dev]\n{key}"),
        // The account of a key and of a topic may be another one, and so may the bucket's region.
        format!("{account}{key}"),
        format!("{region}{state}region = \"us-east-1\"\n{key}"),
        format!("{account}{}", boundary("123456789012")),
        format!("{account}{}", boundary("aws")),
        format!("[env.dev]\n{}", boundary("123456789012")),
        format!(
            "{account}[env.dev.notify]\ntopic_arn = \"arn:aws:sns:us-east-1:000000000000:t\"\n"
        ),
        "[env.dev.notify]\nlog_url = \"https://logs.example.com/{workstream}?r={run}\"\n"
            .to_owned(),
    ] {
        assert_eq!(config::parse("ralph.toml", &good).unwrap().warnings, "", "{good}");
    }
}

#[test]
fn a_region_or_zone_that_may_be_new_is_a_warning_and_one_that_cannot_be_is_refused() {
    let warnings = |text: &str| config::parse("ralph.toml", text).unwrap().warnings;
    assert_eq!(
        warnings("[env.dev]\nregion = \"eu-south-9\"\nnetwork.zones = [\"a\", \"g\"]\n"),
        "warning: `eu-south-9` is not a region that is known here
 --> ralph.toml:2:10
  |
2 | region = \"eu-south-9\"
  |          ^^^^^^^^^^^^ not on the list of regions
  |
  = hint: ignore this if the region is newer than November 2026, otherwise correct it

warning: no region is known to have a zone `g`
 --> ralph.toml:3:17
  |
3 | network.zones = [\"a\", \"g\"]
  |                 ^^^^^^^^^^ one of these
  |
  = hint: ignore this if the zone is newer than November 2026, otherwise correct it"
    );
    let state = "[env.dev.state]\nbucket = \"mine\"\nregion = \"ap-west-1\"\n";
    assert!(warnings(state).starts_with("warning: `ap-west-1` is not a region"));
    for known in ["eu-isoe-west-1", "eusc-de-east-1", "us-gov-west-1", "cn-northwest-1"] {
        assert_eq!(warnings(&format!("[env.dev]\nregion = \"{known}\"\n")), "");
    }
    for (region, hint) in [
        ("us-eest-1", Some("did you mean `us-east-1`?")),
        ("ca-middle-7", Some("regions of ca are ca-central-1, ca-west-1")),
        ("eu-west-0", Some("did you mean `eu-west-1`?")),
        ("eu-west-10", Some("did you mean `eu-west-1`?")),
        ("xx-west-1", Some("did you mean `ca-west-1`?")),
        ("US-EAST-1", None),
    ] {
        let said = refused(&format!("[env.dev]\nregion = \"{region}\"\n"));
        assert!(said.starts_with("expected an AWS region, such as us-east-1"), "{said}");
        let hint = hint.map(|hint| format!("  = hint: {hint}"));
        assert_eq!(said.lines().find(|line| line.contains("hint")), hint.as_deref(), "{said}");
    }
    // A mistake is shown alone: the warning comes when the file is good.
    assert!(!refused("[env.dev]\nregion = \"eu-south-9\"\nx = 1\n").contains("warning"));
}

#[test]
fn the_hint_for_a_value_in_quotes_is_toml() {
    for (line, hint) in [
        ("production = \"yes\"", "write `production = true`"),
        ("production = \"No\"", "write `production = false`"),
        ("production = \"maybe\"", "write true or false, without quotes"),
        ("worker.memory = \"2GB\"", "write `memory = 2048`"),
        ("worker.memory = \"4096 MiB\"", "write `memory = 4096`"),
        ("worker.memory = \"2TB\"", "a number stands without quotes and unit"),
        ("worker.storage_gib = \"30\"", "write `storage_gib = 30`"),
        ("worker.cpu = \"1 vCPU\"", "a number stands without quotes and unit"),
        (
            "log_retention_days = \"99999999999999999999\"",
            "a number stands without quotes and unit",
        ),
        ("network.nat = \"singel\"", "did you mean `single`?"),
    ] {
        let said = refused(&format!("[env.dev]\n{line}\n"));
        assert!(said.ends_with(&format!("= hint: {hint}")), "{line}\n{said}");
    }
}

#[test]
fn every_function_can_be_traced() {
    let all = Handler::ALL.map(|handler| format!("\"{}\"", handler.as_str())).join(", ");
    let text = format!("[env.dev.monitoring]\ntraced_functions = [{all}]\n");
    assert!(config::parse("ralph.toml", &text).is_ok());
}

#[test]
fn a_name_that_makes_another_one_too_long_says_which() {
    let name = "a".repeat(42);
    let text = refused(&format!("[env.{name}]\n"));
    assert!(text.starts_with("the name of an IAM role would be too long: `ralph-aaaa"), "{text}");
    assert!(
        text.contains("hint: AWS allows 64 characters, which leaves 41 for this name"),
        "{text}"
    );
    assert!(config::parse("ralph.toml", &format!("[env.{}]\n", "a".repeat(41))).is_ok());
}

#[test]
fn environments_apart_from_dev_and_prod_can_share_an_account() {
    let text =
        "[env.dev]\naccount_id = \"123456789012\"\n[env.staging]\naccount_id = \"123456789012\"\n";
    let settings = config::parse("ralph.toml", text).unwrap();
    let cidr = |i: usize| match &settings.environments[i].network.mode {
        NetworkMode::Create { cidr, .. } => cidr.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(cidr(0), "10.20.0.0/16");
    assert_ne!(cidr(0), cidr(1));
}

#[test]
fn bad_input_never_panics_and_always_says_where() {
    const PIECES: [&str; 20] = [
        "[", "]", "=", "\"", "'''", "{", "}", "\n", ".", "ü", "\u{0}", "0x", "1e400", "-", "nan",
        "[env.", "\r", "\\u", "[[", "#",
    ];
    let mut texts: Vec<String> = (0..SETTINGS.len())
        .filter(|end| SETTINGS.is_char_boundary(*end))
        .flat_map(|end| [SETTINGS[..end].to_owned(), format!("{}ü", &SETTINGS[..end])])
        .collect();
    let mut dice = Dice(0x70_6d6c);
    for _ in 0..2_000 {
        let mut text: Vec<char> = SETTINGS.chars().collect();
        for _ in 0..=dice.roll(5) {
            let at = dice.roll(text.len());
            let upto = (at + dice.roll(30)).min(text.len());
            match dice.roll(3) {
                0 => drop(text.drain(at..upto)),
                1 => drop(text.splice(at..at, dice.pick(&PIECES).chars())),
                _ => text.extend_from_within(at..upto),
            }
        }
        texts.push(text.into_iter().collect());
    }
    let mut wrong = 0;
    for text in texts {
        if let Err(error) = config::parse("ralph.toml", &text) {
            wrong += 1;
            let error = error.to_string();
            let place = error.lines().find_map(|line| line.trim().strip_prefix("--> ralph.toml:"));
            let (line, _) = place.and_then(|place| place.split_once(':')).expect(&error);
            let line: usize = line.parse().expect(&error);
            assert!((1..=text.split('\n').count()).contains(&line), "{error}");
        }
    }
    assert!(wrong > 2_000);
}

/// Every key of a table that has a default, with that default, as TOML.
fn defaults(section: &Section, header: &str) -> String {
    let keys = section.keys.iter().filter_map(|key| Some((&key.name, key.default.as_ref()?)));
    let lines = keys.map(|(name, value)| format!("{name} = {value}\n"));
    format!("{header}\n{}", lines.collect::<String>())
}

#[test]
fn a_default_that_the_file_has_changes_nothing() {
    let mut text = defaults(&KEYS.file, "") + &defaults(&KEYS.environment, "[env.dev]");
    for section in KEYS.environment.sections.iter().filter(|section| section.name != "state") {
        text += &defaults(section, &format!("[env.dev.{}]", section.name));
    }
    // Of all defaults, only this one belongs to a mode other than "create".
    let text = text.replace("private = false\n", "");
    assert!(text.lines().count() > 35, "{text}");
    assert_eq!(
        config::parse("ralph.toml", &text).unwrap(),
        config::parse("ralph.toml", "[env.dev]\n").unwrap()
    );
}

#[test]
fn a_key_says_in_a_sentence_what_it_is_for_and_has_one_default_at_most() {
    fn check(section: &Section) {
        for key in &section.keys {
            assert!(key.about.ends_with('.') && !key.about.contains("  "), "{}", key.name);
            let absent = [key.default.is_some(), key.derived.is_some(), key.required];
            assert!(absent.iter().filter(|is| **is).count() <= 1, "{}", key.name);
        }
        section.sections.iter().for_each(check);
    }
    check(&KEYS.file);
    check(&KEYS.environment);
}

#[test]
fn a_limit_in_seconds_goes_up_to_what_an_order_may_ask_for() {
    let all = KEYS.environment.sections.iter().flat_map(|section| &section.keys);
    let seconds: Vec<&Kind> = all
        .filter(|key| key.name.ends_with("_secs") && key.name != "setup_timeout_secs")
        .map(|key| &key.kind)
        .collect();
    assert_eq!(seconds.len(), 3);
    for kind in seconds {
        let most = MAX_DURATION_SECS as i64;
        assert!(matches!(kind, Kind::Integer(1, high) if *high == most), "{kind:?}");
    }
}

/// A worker that nobody tells a limit behaves as one that is configured without it.
#[test]
fn a_limit_that_may_be_left_out_is_the_same_for_the_worker() {
    let worker = KEYS.environment.sections.iter().find(|one| one.name == "worker").unwrap();
    for (name, default, most) in [
        ("max_log_mb", DEFAULT_MAX_LOG_MB, MAX_MB),
        ("max_commit_mb", DEFAULT_MAX_COMMIT_MB, MAX_MB),
        ("max_commit_files", DEFAULT_MAX_COMMIT_FILES, MAX_COMMIT_FILES),
    ] {
        let key = worker.keys.iter().find(|key| key.name == name).unwrap();
        assert_eq!(key.default, Some(default.into()), "{name}");
        let in_range = matches!(key.kind, Kind::Integer(1, high) if high == i64::from(most));
        assert!(in_range, "{name}");
    }
}

#[test]
fn the_role_of_ecs_is_made_where_the_configuration_asks_for_it() {
    for (line, expected) in [("", false), ("create_service_linked_role = true\n", true)] {
        let settings = config::parse("ralph.toml", &format!("[env.dev]\n{line}")).unwrap();
        let files = generate::files(&settings).unwrap();
        let (_, root) = files.iter().find(|(path, _)| path == "envs/dev/main.tf").unwrap();
        let found = root.lines().any(|line| {
            line.trim_start().starts_with("create_service_linked_role") && line.ends_with(" true")
        });
        assert_eq!(found, expected, "{root}");
    }
}

#[test]
fn the_worker_is_told_only_when_it_is_not_to_tell_the_agent_how_the_loop_works() {
    for (line, told) in [("", false), ("convention = true", false), ("convention = false", true)] {
        let settings = config::parse("ralph.toml", &format!("[env.dev.worker]\n{line}")).unwrap();
        let files = generate::files(&settings).unwrap();
        let (_, root) = files.iter().find(|(path, _)| path == "envs/dev/main.tf").unwrap();
        let mut words = root.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let found = words.any(|words| words == ["RALPH_CONVENTION", "=", "\"0\""]);
        assert_eq!((found, root.contains("RALPH_CONVENTION")), (told, told), "{root}");
    }
}

#[test]
fn the_schema_and_the_page_hold_every_key() {
    let schema: Value = serde_json::from_str(&reference::schema()).unwrap();
    let page = reference::markdown();
    let env = &schema["properties"]["env"]["additionalProperties"];
    let mut keys = 0;
    for key in &KEYS.environment.keys {
        assert!(env["properties"][&key.name].is_object(), "{}", key.name);
        assert!(page.contains(&format!("\n| `{}` | ", key.name)), "{}", key.name);
    }
    for section in &KEYS.environment.sections {
        for key in &section.keys {
            let own = &env["properties"][&section.name]["properties"][&key.name];
            assert!(own["description"].is_string(), "{}.{}", section.name, key.name);
            assert!(page.contains(&format!("\n| `{}` | ", key.name)), "{}", key.name);
            keys += 1;
        }
    }
    assert!(keys > 20);
    assert_eq!(env["additionalProperties"], false);
}

#[test]
fn what_an_editor_does_to_a_file_changes_nothing() {
    let settings = config::parse("ralph.toml", SETTINGS).unwrap();
    for same in [format!("\u{feff}{SETTINGS}"), SETTINGS.replace('\n', "\r\n")] {
        assert_eq!(config::parse("ralph.toml", &same).unwrap(), settings);
    }
    // A place is a line and a column of what the person sees.
    let expected = "unknown key `regoin`\n --> ralph.toml:1:1\n  |\n1 | regoin = 1\n  | ^^^^^^ not a key here\n";
    assert!(refused("\u{feff}regoin = 1\n").starts_with(expected));
    let text = refused("# ünïcödé\r\n[env.dev]\r\nregion = \"üü\"\r\n");
    let expected =
        " --> ralph.toml:3:10\n  |\n3 | region = \"üü\"\n  |          ^^^^ not allowed here";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn a_file_that_is_not_text_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ralph.toml");
    std::fs::write(&path, b"[env.dev]\nregion = \"\xff\"\n").unwrap();
    let error = config::read(&path).unwrap_err().to_string();
    assert!(
        error.starts_with("the file is not UTF-8\n --> ") && error.contains(":2:11\n"),
        "{error}"
    );
    assert!(error.ends_with("= hint: save the file as UTF-8"), "{error}");
}

#[test]
fn a_thousand_mistakes_and_environments_take_no_longer_than_their_number() {
    // Counted in work, not in time: what is shown is as long as the mistakes, and a quadratic walk
    // would not end within any test's patience.
    let many: String = (0..20_000).map(|i| format!("x{i} = 1\n")).collect();
    let text = refused(&format!("[env.dev]\n{many}"));
    assert_eq!(text.matches("error: unknown key").count(), 19_999);
    let deep = format!("{} = 1\n", ["a"; 100_000].join("."));
    assert!(refused(&deep).starts_with("recursion limit"));
    let _ = refused(&format!("a = {}{}\n", "[".repeat(100_000), "]".repeat(100_000)));
    let environments: String =
        (0..2_000).map(|i| format!("[env.e{i}]\nnetwork.mode = \"default\"\n")).collect();
    assert_eq!(config::parse("ralph.toml", &environments).unwrap().environments.len(), 2_000);
}

#[test]
fn every_pattern_compiles_and_refuses_what_only_begins_well() {
    fn check(section: &Section) {
        for key in &section.keys {
            if let Kind::Text(form) | Kind::Texts(form) = &key.kind {
                assert!(regex::Regex::new(&form.pattern).is_ok(), "{}", key.name);
                assert!(form.pattern.starts_with('^') && form.pattern.ends_with('$'));
            }
        }
        section.sections.iter().for_each(check);
    }
    check(&KEYS.file);
    check(&KEYS.environment);
}

#[test]
fn names_of_one_kind_collide_and_names_of_two_kinds_do_not() {
    // worker's cluster has the name of dev's image repository.
    let account = |name: &str| format!("[env.{name}]\naccount_id = \"123456789012\"\n");
    let text = account("dev") + &account("worker");
    assert!(config::parse("ralph.toml", &text).is_ok());
    // Another region, another account: the plain names are free there.
    for more in ["region = \"eu-central-1\"\n", "account_id = \"000000000000\"\n"] {
        let prod = account("prod");
        let prod =
            if more.starts_with("account") { format!("[env.prod]\n{more}") } else { prod + more };
        assert!(config::parse("ralph.toml", &(account("dev") + &prod)).is_ok(), "{more}");
    }
}
