//! The names of the states, and what expressions in them begin with.

use crate::asl::Name;

/// A state's input.
pub(super) const INPUT: &str = "$states.input";

pub(super) const READ_INPUT: Name = "ReadInput";
pub(super) const CHECK_INPUT: Name = "CheckInput";
pub(super) const REFUSE: Name = "Refuse";
pub(super) const PREPARE: Name = "Prepare";
pub(super) const TAKE_LEASE: Name = "TakeLease";
pub(super) const READ_LEASE: Name = "ReadLease";
pub(super) const HOLDER: Name = "Holder";
pub(super) const DESCRIBE_HOLDER: Name = "DescribeHolder";
pub(super) const HOLDER_RUNS: Name = "HolderRuns";
pub(super) const TAKE_OVER: Name = "TakeOver";
pub(super) const BUSY: Name = "Busy";
pub(super) const BREAK: Name = "Break";
pub(super) const TIME_LEFT: Name = "TimeLeft";
pub(super) const OUT_OF_TIME: Name = "OutOfTime";
pub(super) const COUNT_RUN: Name = "CountRun";
pub(super) const BEGIN_RUN: Name = "BeginRun";
pub(super) const NOTE_RUN: Name = "NoteRun";
pub(super) const RUN_TASK: Name = "RunTask";
pub(super) const NORMALISE: Name = "Normalise";
pub(super) const TASK_WAS_MADE: Name = "TaskWasMade";
pub(super) const NOTE_FAILURE: Name = "NoteFailure";
pub(super) const CLASSIFY: Name = "Classify";
pub(super) const END: Name = "End";
pub(super) const GIVE_UP: Name = "GiveUp";
pub(super) const COUNT_SPOT: Name = "CountSpot";
pub(super) const COUNT_WAIT: Name = "CountWait";
pub(super) const COUNT_CAPACITY: Name = "CountCapacity";
pub(super) const COUNT_OTHER: Name = "CountOther";
pub(super) const SETTLE: Name = "Settle";
pub(super) const READ_WAIT: Name = "ReadWait";
pub(super) const WAIT_UNKNOWN: Name = "WaitUnknown";
pub(super) const HOW_LONG: Name = "HowLong";
pub(super) const WAIT_UNTIL: Name = "WaitUntil";
pub(super) const WAIT_FOR_CAPACITY: Name = "WaitForCapacity";
pub(super) const PAUSE: Name = "Pause";
pub(super) const RELEASE_LEASE: Name = "ReleaseLease";
pub(super) const REPORT: Name = "Report";
pub(super) const HOW_IT_ENDED: Name = "HowItEnded";
pub(super) const DONE: Name = "Done";
pub(super) const FAILED: Name = "Failed";
