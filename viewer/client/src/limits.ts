// The numbers of the client's rules. All times in milliseconds; the same as in the Rust rules
// (protocol/src/reassembly), and protocol/scenarios/ holds both to them.

/** How long a hole may be a mere overtaking of deliveries. */
export const PATIENCE_MS = 2_000;
/** Distances between requests for the same hole, each ± 50 %; the last one repeats. */
export const ASK_AGAIN_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000] as const;
/**
 * A complete replay this long after a line was missed is believed when it lacks it: CloudWatch Logs
 * serves what it has within minutes.
 */
export const LOST_AFTER_MS = 300_000;
/** How long after its newest line the newest run's end is asked about. */
export const SILENCE_MS = [60_000, 120_000, 240_000, 480_000, 900_000] as const;
/** When to ping after catching up; then every {@link PING_EVERY_MS}. */
export const PING_AFTER_MS = [3_000, 15_000] as const;
/** Distance of later pings; API Gateway closes an idle connection after ten minutes. */
export const PING_EVERY_MS = 60_000;
/** When to ping after hearing that a task changed its state: several changes are one question. */
export const PING_AFTER_TASK_MS = 1_000;
/**
 * A request is made again when nothing of its answer has come for this long; API Gateway's own limit
 * is 29 s.
 */
export const ANSWER_MS = 35_000;
/**
 * Within this time clients ask, each at a moment of its own, about what they all hear in the same
 * moment: that a run is over, or silent.
 */
export const APART_MS = 10_000;
/** How long to leave a gateway alone that answered with a fault of its own. */
export const FAULT_MS = 1_000;
/** Lines of the first page. */
export const DEFAULT_LIMIT = 1_000;
/** Most lines of one replay. */
export const MAX_LIMIT = 10_000;
/** Most ranges in one request. */
export const MAX_RANGES = 50;
