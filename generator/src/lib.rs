#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod aws;
pub mod config;
pub mod deploy;
pub mod environment;
pub mod generate;
pub mod hcl;
pub mod modules;
pub mod run;
pub mod skips;
pub mod tree;
