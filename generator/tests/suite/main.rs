//! The generator's promises. Those about HCL are judged by Terraform or OpenTofu itself.

mod agent;
mod canonical;
mod cli;
mod compile_fail;
mod config;
mod deploy;
mod example;
mod facts;
mod inventory;
mod meaning;
mod model;
mod modules;
mod notify;
mod outputs;
mod policies;
mod provider;
mod published;
mod random;
mod schema;
mod state;
mod support;
mod tree;
