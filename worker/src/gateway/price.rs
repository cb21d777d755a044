//! What tokens cost, at list prices: good enough to stop in time, and to count an attempt that was
//! cut off before it could say what it had cost, or says less than it had.
//!
//! Every rate was proved on 2026-11-30 against `total_cost_usd` of claude-code 2.1.331, with a
//! scripted answer of a million tokens of one kind (worker/tests/agent/prices.rs does it again). The
//! service publishes its prices at <https://docs.claude.com/en/docs/about-claude/pricing>, which was
//! not compared.

use ralph_protocol::event::Tokens;

use crate::machine::Usd;

/// US dollars for a million tokens of each kind.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rates {
    input: f64,
    output: f64,
    /// Written to the cache for 5 minutes.
    write_5m: f64,
    /// Written to the cache for an hour.
    write_1h: f64,
    /// Read from the cache.
    read: f64,
}

const fn rates(input: f64, output: f64, write_5m: f64, write_1h: f64, read: f64) -> Rates {
    Rates { input, output, write_5m, write_1h, read }
}

/// What one model costs.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// Its id, without the date that some ids end with.
    model: &'static str,
    rates: Rates,
    /// With `speed: "fast"`; most models have no such speed.
    fast: Rates,
    /// All tokens of a request whose prompt is longer than this many tokens.
    long: Option<(u64, Rates)>,
}

const fn row(model: &'static str, rates: Rates) -> Row {
    Row { model, rates, fast: rates, long: None }
}

impl Row {
    const fn fast(self, fast: Rates) -> Self {
        Self { fast, ..self }
    }

    const fn long(self, above: u64, rates: Rates) -> Self {
        Self { long: Some((above, rates)), ..self }
    }
}

const SONNET: Rates = rates(3.0, 15.0, 3.75, 6.0, 0.3);
const OPUS_4: Rates = rates(15.0, 75.0, 18.75, 30.0, 1.5);
const OPUS: Rates = rates(5.0, 25.0, 6.25, 10.0, 0.5);
const OPUS_FAST: Rates = rates(30.0, 150.0, 37.5, 60.0, 3.0);
const FABLE: Rates = rates(10.0, 50.0, 12.5, 20.0, 1.0);
const FABLE_5_1: Rates = rates(10.0, 50.0, 12.5, 20.0, 0.25);
const FABLE_5_2: Rates = rates(8.0, 40.0, 10.0, 16.0, 0.2);
const FABLE_5_2_FAST: Rates = rates(16.0, 80.0, 20.0, 32.0, 0.4);

/// Every model that claude-code 2.1.331 knows.
const ROWS: [Row; 26] = [
    row("claude-3-5-haiku", rates(0.8, 4.0, 1.0, 1.6, 0.08)),
    row("claude-haiku-4-5", rates(1.0, 5.0, 1.25, 2.0, 0.1)),
    row("claude-haiku-5-5", rates(0.1, 0.5, 0.125, 0.2, 0.01))
        .long(100_000, rates(0.5, 2.5, 0.625, 1.0, 0.05)),
    row("claude-3-5-sonnet", SONNET),
    row("claude-3-7-sonnet", SONNET),
    row("claude-sonnet-4", SONNET),
    row("claude-sonnet-4-0", SONNET),
    row("claude-sonnet-4-5", SONNET),
    row("claude-sonnet-4-6", SONNET),
    row("claude-sonnet-5", rates(2.0, 10.0, 2.5, 4.0, 0.2)),
    row("claude-sonnet-5-5", rates(2.0, 10.0, 2.5, 4.0, 0.1)),
    row("claude-opus-4", OPUS_4),
    row("claude-opus-4-0", OPUS_4),
    row("claude-opus-4-1", OPUS_4),
    row("claude-opus-4-5", OPUS),
    row("claude-opus-4-6", OPUS).fast(OPUS_FAST),
    row("claude-opus-4-7", OPUS).fast(OPUS_FAST),
    row("claude-opus-4-8", OPUS).fast(FABLE),
    row("claude-opus-5", OPUS).fast(FABLE),
    row("claude-opus-5-5", rates(4.0, 20.0, 5.0, 8.0, 0.2)).fast(rates(8.0, 40.0, 10.0, 16.0, 0.4)),
    row("claude-fable-5", FABLE),
    row("claude-fable-5-1", FABLE_5_1),
    row("claude-fable-5-2", FABLE_5_2).fast(FABLE_5_2_FAST),
    row("claude-mythos-5", FABLE),
    row("claude-mythos-5-1", FABLE_5_1),
    row("claude-mythos-5-2", FABLE_5_2).fast(FABLE_5_2_FAST),
];

/// A model that nobody here knows costs as much as the dearest: stopping early is better than late.
const UNKNOWN: Row = row("", OPUS_4).fast(OPUS_FAST);

/// Dollars for one web search.
const WEB_SEARCH: f64 = 0.01;

/// How many times the tokens of a request cost that only machines in the US may answer.
const US_ONLY: f64 = 1.1;

/// Tokens that the longest prompt of any model has.
const LONGEST_PROMPT: u64 = 1_000_000;

/// Fewest bytes of a request's body that make a token. Text has four and more.
const BYTES_A_TOKEN: usize = 3;

/// What a response used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// All tokens.
    pub tokens: Tokens,
    /// Of `cache_write`, those that are kept for 5 minutes only; the others are kept for an hour.
    pub short_writes: u64,
    /// The longest prompt, in tokens, when the service took several turns for its answer. 0: it took
    /// one, and all that was read is its prompt.
    pub longest_prompt: u64,
    /// Web searches that the service made.
    pub web_searches: u64,
    /// `speed` was fast, or `speed` or `service_tier` was something that we do not know. The tiers
    /// that we know cost the list price at most: `priority` is paid in advance, `batch` costs half
    /// (<https://platform.claude.com/docs/en/api/service-tiers>).
    pub fast: bool,
    /// `inference_geo` was the US.
    pub us_only: bool,
    /// What else the service did for this answer, each at its own model's rates: advice, and the
    /// compaction of the conversation. It is not in `tokens`.
    pub others: Usd,
}

/// The row of a model. Ids may end with a date or `-latest`, and the agent's own names for models
/// with `[1m]`.
fn row_of(model: &str) -> Option<&'static Row> {
    let model = model.strip_suffix("[1m]").unwrap_or(model);
    let undated = model.rsplit_once('-').filter(|(_, end)| {
        *end == "latest" || end.len() == 8 && end.bytes().all(|byte| byte.is_ascii_digit())
    });
    let model = undated.map_or(model, |(name, _)| name);
    ROWS.iter().find(|row| row.model == model)
}

/// Whether the model's prices are known here.
#[must_use]
pub fn is_known(model: &str) -> bool {
    row_of(model).is_some()
}

impl Row {
    /// The rates of a request with a prompt of this many tokens.
    fn rates(&self, prompt: u64, fast: bool) -> Rates {
        match self.long {
            Some((above, long)) if prompt > above => long,
            _ if fast => self.fast,
            _ => self.rates,
        }
    }
}

/// What a response cost, by list prices.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "token counts stay far below 2^52")]
pub fn estimate(model: &str, used: Used) -> Usd {
    let Tokens { input, output, cache_read, cache_write } = used.tokens;
    let all = input.saturating_add(cache_read).saturating_add(cache_write);
    let prompt = if used.longest_prompt > 0 { used.longest_prompt } else { all };
    let rates = row_of(model).unwrap_or(&UNKNOWN).rates(prompt, used.fast);
    let short = used.short_writes.min(cache_write);
    let tokens = input as f64 * rates.input
        + output as f64 * rates.output
        + short as f64 * rates.write_5m
        + (cache_write - short) as f64 * rates.write_1h
        + cache_read as f64 * rates.read;
    let place = if used.us_only { US_ONLY } else { 1.0 };
    let searches = used.web_searches as f64 * WEB_SEARCH;
    Usd::from_dollars(tokens / 1e6 * place + searches).plus(used.others)
}

/// What a request's cost depends on, beside its size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Tokens that the model may write.
    pub max_tokens: u64,
    /// Searches of the web that the service may make.
    pub web_searches: u64,
    /// `speed` is anything but `standard`.
    pub fast: bool,
    /// `inference_geo` is the US.
    pub us_only: bool,
}

/// The most that a request may cost, from its size and what it asks for: all of its prompt is
/// written to the cache for an hour.
#[must_use]
pub fn reserve(model: &str, body_bytes: usize, asked: Asked) -> Usd {
    let Asked { max_tokens, web_searches, fast, us_only } = asked;
    let prompt = u64::try_from(body_bytes.div_ceil(BYTES_A_TOKEN)).unwrap_or(u64::MAX);
    let tokens =
        Tokens { output: max_tokens, cache_write: prompt.min(LONGEST_PROMPT), ..Tokens::default() };
    estimate(model, Used { tokens, web_searches, fast, us_only, ..Used::default() })
}

/// What an attempt has cost in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// What counts.
    pub cost: Usd,
    /// What a `log` event should say about it.
    pub says: Option<String>,
}

/// The dearest model costs so many times as much as the cheapest. An agent that says less than what
/// the cheapest would have cost is not believed, whatever the model.
const DEAREST_TO_CHEAPEST: u64 = 150;

/// Decides between what the gateway metered and the agent's own sum, if it gave one. `unknown` is
/// what models whose prices are not known here would have cost if they were the dearest.
///
/// Of known models the larger counts, and when one is more than twice the other, it says so. Of
/// others the agent knows more, and its sum counts.
#[must_use]
pub fn settle(known: Usd, unknown: Usd, agent: Option<Usd>) -> Settled {
    let metered = known.plus(unknown);
    let Some(agent) = agent else { return Settled { cost: metered, says: None } };
    if unknown > Usd::default() {
        let cost = agent.max(known.plus(unknown.part(DEAREST_TO_CHEAPEST)));
        let says = format!(
            "the prices of a model are not known here, so the agent's own sum counts: {agent}; at the \
             dearest prices it would be {metered}"
        );
        return Settled { cost, says: Some(says) };
    }
    let (less, more) = (metered.min(agent), metered.max(agent));
    // Where nothing was metered, the agent has a way to a model of its own.
    let apart = metered > Usd::default() && more > less.plus(less);
    let says = apart.then(|| {
        format!("the agent says that it cost {agent}, the gateway metered {metered}; {more} counts")
    });
    Settled { cost: more, says }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLION: u64 = 1_000_000;

    fn tokens(input: u64, output: u64, cache_write: u64, cache_read: u64) -> Used {
        let tokens = Tokens { input, output, cache_read, cache_write };
        Used { tokens, ..Used::default() }
    }

    /// `ralph run` refuses other names of models, and the table knows no others.
    #[test]
    fn each_model_that_an_order_can_name_has_a_price_and_no_other() {
        use ralph_protocol::execution::MODELS;
        let mut priced: Vec<&str> = ROWS.iter().map(|row| row.model).collect();
        let mut named = MODELS.to_vec();
        priced.sort_unstable();
        named.sort_unstable();
        assert_eq!(priced, named);
        priced.dedup();
        assert_eq!(priced.len(), ROWS.len(), "a model stands there twice");
    }

    #[test]
    fn what_each_kind_of_token_costs() {
        let short = |used: Used| Used { short_writes: u64::MAX, ..used };
        let fast = |used: Used| Used { fast: true, ..used };
        let cases = [
            ("claude-sonnet-4-5-20250929", tokens(MILLION, 0, 0, 0), 3.0),
            ("claude-sonnet-4-20250514", tokens(0, MILLION, 0, 0), 15.0),
            ("claude-sonnet-5-5", tokens(0, 0, 0, MILLION), 0.1),
            ("claude-opus-4-20250514", tokens(MILLION, 0, 0, 0), 15.0),
            ("claude-opus-4-6", tokens(MILLION, 0, 0, 0), 5.0),
            ("claude-opus-4-6", fast(tokens(MILLION, 0, 0, 0)), 30.0),
            ("claude-opus-5-5", tokens(MILLION, MILLION, 0, 0), 24.0),
            ("claude-opus-5-5[1m]", tokens(0, 0, MILLION, 0), 8.0),
            ("claude-opus-5-5-latest", short(tokens(0, 0, MILLION, 0)), 5.0),
            ("claude-opus-5-5", tokens(0, 0, 0, MILLION), 0.2),
            ("claude-haiku-4-5", fast(tokens(MILLION, 0, 0, 0)), 1.0),
            ("claude-haiku-5-5", tokens(100_000, MILLION, 0, 0), 0.51),
            ("claude-haiku-5-5", tokens(0, MILLION, 0, 100_001), 2.505001),
            ("claude-fable-5-2", tokens(0, 0, 0, MILLION), 0.2),
            ("from-the-future", tokens(MILLION, 0, 0, 0), 15.0),
            ("claude-opus-5-6", tokens(0, MILLION, 0, 0), 75.0),
            ("claude-opus-4-5-2025", tokens(0, 0, 0, MILLION), 1.5),
            ("", fast(tokens(0, MILLION, 0, 0)), 150.0),
            ("x", Used::default(), 0.0),
        ];
        for (model, used, dollars) in cases {
            assert_eq!(estimate(model, used), Usd::from_dollars(dollars), "{model} {used:?}");
        }
        assert!(is_known("claude-opus-5-5") && !is_known("claude-opus-5-6") && !is_known(""));
    }

    #[test]
    fn what_else_costs() {
        let used = tokens(MILLION, 0, 0, 0);
        let cases = [
            (Used { us_only: true, ..used }, 4.4),
            (Used { web_searches: 3, ..used }, 4.03),
            // The place makes only tokens dearer.
            (Used { web_searches: 3, us_only: true, ..used }, 4.43),
            (Used { others: Usd::from_dollars(1.5), ..used }, 5.5),
        ];
        for (used, dollars) in cases {
            let cost = estimate("claude-opus-5-5", used);
            assert_eq!(cost, Usd::from_dollars(dollars), "{used:?}");
        }
        // Each of several turns had a short prompt.
        let turns = Used { longest_prompt: 90_000, ..tokens(MILLION, 0, 0, 0) };
        assert_eq!(estimate("claude-haiku-5-5", turns), Usd::from_dollars(0.1));
    }

    #[test]
    fn no_model_is_dearer_than_an_unknown_one() {
        for row in &ROWS {
            assert_eq!(ROWS.iter().filter(|other| other.model == row.model).count(), 1);
            for used in [tokens(1, 0, 0, 0), tokens(0, 1, 0, 0), tokens(0, 0, 1, 0)] {
                for used in [used, Used { fast: true, ..used }] {
                    assert!(estimate(row.model, used) <= estimate("?", used), "{}", row.model);
                }
            }
        }
    }

    #[test]
    fn what_is_reserved_for_a_request() {
        let cases = [
            // 300,000 tokens written for an hour at $8, 1,000 of output at $20.
            ("claude-opus-5-5", 900_000, 1_000, 0, 2.42),
            // No prompt has more than a million tokens.
            ("claude-opus-5-5", 60_000_000, 0, 0, 8.0),
            ("claude-opus-5-5", usize::MAX, 0, 0, 8.0),
            ("claude-opus-5-5", 0, 128_000, 5, 2.61),
            // 100,000 tokens, and one more: the long prompt makes the output dearer too.
            ("claude-haiku-5-5", 300_000, MILLION, 0, 0.52),
            ("claude-haiku-5-5", 300_001, MILLION, 0, 2.600001),
            ("from-the-future", 300_000, 1_000, 0, 3.075),
            ("claude-opus-5-5", 1, 0, 0, 0.000008),
        ];
        for (model, bytes, max_tokens, web_searches, dollars) in cases {
            let asked = Asked { max_tokens, web_searches, ..Asked::default() };
            let reserved = reserve(model, bytes, asked);
            assert_eq!(reserved, Usd::from_dollars(dollars), "{model} {bytes} {asked:?}");
        }
        let asked = Asked { max_tokens: 1_000, web_searches: 1, fast: true, us_only: true };
        let reserved = reserve("claude-opus-5-5", 900_000, asked);
        assert_eq!(reserved, Usd::from_dollars(4.84 * 1.1 + 0.01));
    }

    #[test]
    fn between_the_agents_sum_and_ours() {
        let cases = [
            // known, unknown, the agent's → counts, and what an event says
            (1.0, 0.0, None, 1.0, None),
            (0.0, 1.0, None, 1.0, None),
            (1.0, 0.0, Some(1.0), 1.0, None),
            (1.0, 0.0, Some(2.0), 2.0, None),
            (2.0, 0.0, Some(1.0), 2.0, None),
            (1.0, 0.0, Some(2.01), 2.01, Some("the agent says that it cost $2.0100")),
            (2.01, 0.0, Some(1.0), 2.01, Some("the gateway metered $2.0100")),
            (2.0, 0.0, Some(0.0), 2.0, Some("$2.0000 counts")),
            (0.0, 0.0, Some(3.0), 3.0, None),
            (0.0, 9.0, Some(3.0), 3.0, Some("the agent's own sum counts: $3.0000")),
            (0.0, 1.0, Some(3.0), 3.0, Some("it would be $1.0000")),
            (1.0, 15.0, Some(0.0), 1.1, Some("it would be $16.0000")),
        ];
        for (known, unknown, agent, cost, text) in cases {
            let usd = Usd::from_dollars;
            let settled = settle(usd(known), usd(unknown), agent.map(usd));
            assert_eq!(settled.cost, usd(cost), "{known} {unknown} {agent:?}");
            let says = settled.says.as_deref();
            assert_eq!(says.is_some(), text.is_some(), "{says:?}");
            assert!(says.unwrap_or_default().contains(text.unwrap_or_default()), "{says:?}");
        }
    }
}
