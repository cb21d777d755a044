//! End to end through the real binaries, the real Terraform, the functions and the local
//! cloud with IAM enforced. One local cloud serves every test here.

mod bad_links;
mod bench;
mod build;
mod busy;
#[path = "../../src/tools/cargo.rs"]
mod cargo;
mod cloud;
mod commands;
mod connections;
mod containers;
mod cost;
mod credentials;
mod demo;
mod deployment;
mod engines;
mod environments;
mod fake_aws;
mod fake_gateway;
mod faults;
mod first_day;
mod gateway;
#[path = "../../../worker/tests/worker/github.rs"]
#[expect(dead_code, reason = "the worker's tests need more of it")]
mod github;
mod guard;
mod images;
mod install;
mod kills;
mod least_privilege;
mod load;
mod logs;
mod notifications;
mod outputs;
mod plan;
mod processes;
mod refusals;
mod requests;
mod secrets;
mod socket;
mod state_machine;
mod steps;
mod stopping;
mod task_events;
mod tasks;
#[path = "../../../worker/tests/worker/tls.rs"]
mod tls;
mod users;
mod view;
mod waiting;
mod workstream;
