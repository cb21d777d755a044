//! What tokens cost, at list prices: good enough to stop in time, and to count an attempt that was
//! cut off before it could say what it had cost, or says less than it had. The larger of this and
//! the agent's own sum counts.

use ralph_protocol::event::Tokens;

use crate::machine::Usd;

/// US dollars for a million tokens read and written.
/// Source: <https://docs.claude.com/en/docs/about-claude/pricing>.
const PRICES: [(&str, f64, f64); 8] = [
    ("claude-3-haiku", 0.25, 1.25),
    ("claude-3-5-haiku", 0.8, 4.0),
    ("haiku", 1.0, 5.0),
    ("sonnet", 3.0, 15.0),
    ("claude-3-opus", 15.0, 75.0),
    ("opus-4-0", 15.0, 75.0),
    ("opus-4-1", 15.0, 75.0),
    ("opus-4-2", 15.0, 75.0),
];

/// Opus from 4.5 on.
const OPUS: (f64, f64) = (5.0, 25.0);

/// A model nobody here knows costs as much as the dearest: stopping early is better than late.
const UNKNOWN: (f64, f64) = (15.0, 75.0);

/// What a response used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// All tokens.
    pub tokens: Tokens,
    /// Of `cache_write`, those that are kept for 5 minutes only, if the service said so.
    pub short_writes: u64,
}

fn prices(model: &str) -> Option<(f64, f64)> {
    let listed = PRICES.iter().find(|(part, ..)| model.contains(part)).map(|(_, i, o)| (*i, *o));
    listed.or_else(|| model.contains("opus-4-").then_some(OPUS))
}

/// Whether the model's prices are known here.
#[must_use]
pub fn is_known(model: &str) -> bool {
    prices(model).is_some()
}

/// Estimated cost. Writing to the cache costs twice the input's price for an hour, 1.25 times for
/// 5 minutes; reading from it a tenth.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "token counts stay far below 2^52")]
pub fn estimate(model: &str, used: Used) -> Usd {
    let tokens = used.tokens;
    let (input, output) = prices(model).unwrap_or(UNKNOWN);
    let short = used.short_writes.min(tokens.cache_write);
    let read = tokens.input as f64
        + 2.0 * (tokens.cache_write - short) as f64
        + 1.25 * short as f64
        + 0.1 * tokens.cache_read as f64;
    Usd::from_dollars((read * input + tokens.output as f64 * output) / 1e6)
}

/// What an attempt has cost in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// What counts.
    pub cost: Usd,
    /// What a person should know about it.
    pub says: Option<String>,
}

/// The cheapest model costs about a hundredth of the dearest. An agent that says less than that of
/// a model nobody here knows is not believed.
const LEAST_PART: u64 = 100;

/// Which sum counts: what was metered of models with `known` and `unknown` prices (as the dearest),
/// or what the agent itself says. Of known models the larger counts. An agent knows more of models
/// that are unknown here, so there its own sum counts.
#[must_use]
pub fn settle(known: Usd, unknown: Usd, agent: Option<Usd>) -> Settled {
    let metered = known.plus(unknown);
    let Some(agent) = agent else { return Settled { cost: metered, says: None } };
    if unknown > Usd::default() {
        let cost = agent.max(known.plus(unknown.part(LEAST_PART)));
        let says = format!(
            "a model without known prices was used: what the agent says counts, {agent}; metered as the dearest it was {metered}"
        );
        return Settled { cost, says: Some(says) };
    }
    // An agent may have a way to a model of its own.
    let seen = metered > Usd::default();
    let apart = agent.part(2) > metered || metered.part(2) > agent;
    let says = (seen && apart).then(|| {
        format!(
            "the agent says that it has cost {agent}, metered were {metered}; the larger counts"
        )
    });
    Settled { cost: agent.max(metered), says }
}

/// A cautious estimate of the most that a request can cost.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "token counts stay far below 2^52")]
pub fn reserve(model: &str, body_bytes: usize, max_tokens: u64, web_searches: u64) -> Usd {
    let (input, output) = prices(model).unwrap_or(UNKNOWN);
    let read = (body_bytes as f64 / 3.0).min(1e6) * input * 2.0 + max_tokens as f64 * output;
    Usd::from_dollars(read / 1e6 + web_searches as f64 * 0.01)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices() {
        let of = |tokens| Used { tokens, short_writes: 0 };
        let million = |input, output| of(Tokens { input, output, ..Tokens::default() });
        let cases = [
            ("claude-sonnet-4-5-20250929", million(1_000_000, 0), 3.0),
            ("claude-sonnet-4-5-20250929", million(0, 1_000_000), 15.0),
            ("claude-opus-4-1-20250805", million(1_000_000, 0), 15.0),
            ("claude-opus-4-20250514", million(1_000_000, 0), 15.0),
            ("claude-opus-4-6", million(1_000_000, 0), 5.0),
            ("claude-haiku-4-5", million(1_000_000, 0), 1.0),
            ("from-the-future", million(1_000_000, 0), 15.0),
            ("x", million(0, 0), 0.0),
        ];
        for (model, tokens, dollars) in cases {
            assert_eq!(estimate(model, tokens), Usd::from_dollars(dollars), "{model}");
        }
        let cached = Tokens { cache_read: 1_000_000, cache_write: 1_000_000, ..Tokens::default() };
        assert_eq!(estimate("sonnet", of(cached)), Usd::from_dollars(6.3));
        let short = Used { tokens: cached, short_writes: 400_000 };
        assert_eq!(estimate("sonnet", short), Usd::from_dollars(5.4));
        assert!(is_known("claude-opus-4-9") && !is_known("from-the-future"));
    }
}
