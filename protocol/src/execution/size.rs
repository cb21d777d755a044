//! The sizes of tasks that Fargate offers.
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html>

/// CPU units that Fargate offers; 1024 are one processor.
pub const CPU_UNITS: [u32; 7] = [256, 512, 1024, 2048, 4096, 8192, 16_384];

/// Memory sizes in MiB that Fargate offers with a number of CPU units; none with a number that it
/// does not offer.
#[must_use]
pub fn memory_sizes(cpu: u32) -> Vec<u32> {
    let (first, last, step) = match cpu {
        256 => return vec![512, 1024, 2048],
        512 => (1024, 4096, 1024),
        1024 => (2048, 8192, 1024),
        2048 => (4096, 16_384, 1024),
        4096 => (8192, 30_720, 1024),
        8192 => (16_384, 61_440, 4096),
        16_384 => (32_768, 122_880, 8192),
        _ => return Vec::new(),
    };
    (first..=last).step_by(step).collect()
}

/// What is wrong with the size of a task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeProblem {
    /// One without the other.
    #[error("`cpu` and `memory` belong together\nhint: give both, or leave both out")]
    Half,
    /// No such number of CPU units.
    #[error("`cpu` is {cpu}, which Fargate does not offer\nhint: {allowed}", allowed = listed(&CPU_UNITS))]
    Cpu {
        /// CPU units.
        cpu: u32,
    },
    /// No such memory with that many CPU units.
    #[error("`memory` is {memory}, which Fargate does not offer with {cpu} CPU units\nhint: {allowed}", allowed = listed(&memory_sizes(*cpu)))]
    Memory {
        /// CPU units.
        cpu: u32,
        /// MiB.
        memory: u32,
    },
}

fn listed(numbers: &[u32]) -> String {
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!("one of {}", texts.join(", "))
}

/// Checks the size that an order asks for; none is the task definition's.
///
/// # Errors
/// [`SizeProblem`] says what Fargate offers.
pub fn check(cpu: Option<u32>, memory: Option<u32>) -> Result<(), SizeProblem> {
    let (cpu, memory) = match (cpu, memory) {
        (None, None) => return Ok(()),
        (Some(cpu), Some(memory)) => (cpu, memory),
        _ => return Err(SizeProblem::Half),
    };
    if !CPU_UNITS.contains(&cpu) {
        return Err(SizeProblem::Cpu { cpu });
    }
    if memory_sizes(cpu).contains(&memory) {
        Ok(())
    } else {
        Err(SizeProblem::Memory { cpu, memory })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_that_fargate_offers_is_accepted_and_no_other() {
        for cpu in CPU_UNITS {
            let sizes = memory_sizes(cpu);
            assert!(sizes.iter().all(|memory| check(Some(cpu), Some(*memory)).is_ok()), "{cpu}");
            assert!(check(Some(cpu), Some(sizes[0] - 1)).is_err(), "{cpu}");
            assert!(check(Some(cpu), Some(sizes[sizes.len() - 1] + 1024)).is_err(), "{cpu}");
        }
        assert_eq!(check(None, None), Ok(()));
        assert_eq!(check(Some(1000), Some(2048)), Err(SizeProblem::Cpu { cpu: 1000 }));
        assert_eq!(check(Some(1024), None), Err(SizeProblem::Half));
        assert_eq!(check(None, Some(2048)), Err(SizeProblem::Half));
        let text = check(Some(256), Some(4096)).unwrap_err().to_string();
        assert!(text.ends_with("\nhint: one of 512, 1024, 2048"), "{text}");
    }
}
