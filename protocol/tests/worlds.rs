//! Random worlds: a client between a server, a CloudWatch, a gateway and a reader that do their worst for a
//! while. In the end the reader has exactly what CloudWatch holds, once, and is told what is lost.
//!
//! Each world is written down as well, step by step, into `target/worlds.jsonl`: the TypeScript rules play
//! the same steps and must answer the same (`viewer/test/unit/worlds.test.ts`). `RALPH_WORLDS` says how
//! many worlds there are (500 unless it is set).

mod world;

use std::{env, fs, io::Write, path::PathBuf};

use world::World;

/// Worlds played unless `RALPH_WORLDS` says how many.
const WORLDS: u64 = 500;

#[test]
fn every_world_ends_with_what_cloudwatch_holds_once_and_with_what_is_lost() {
    let worlds = env::var("RALPH_WORLDS").map_or(WORLDS, |n| n.parse().expect("a number"));
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = target.parent().expect("the target folder").join("worlds.jsonl");
    let mut file = std::io::BufWriter::new(fs::File::create(&path).expect("a file"));
    let mut wrong = Vec::new();
    for seed in 1..=worlds {
        let mut world = World::new(seed);
        world.play();
        writeln!(file, "{}", world.record()).expect("room");
        if let Err(what) = world.verdict() {
            wrong.push(format!("world {seed}: {what}"));
        }
    }
    file.flush().expect("room");
    let many = wrong.len();
    wrong.truncate(5);
    assert!(
        many == 0,
        "{many} of {worlds} worlds end badly, the first of them:\n{}",
        wrong.join("\n")
    );
}
