//! What a request can cost, from its body, which may be large: its texts are not copied.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use super::price::{self, Asked};
use crate::machine::Usd;

/// More than any model writes in an answer.
const MAX_OUTPUT: u64 = 1_000_000;

/// The most that an image counts as, in bytes of text: about 5,000 tokens, however small its file.
/// <https://docs.claude.com/en/docs/build-with-claude/vision>
const IMAGE_BYTES: usize = 15_000;

/// Searches of the web that a request may make which does not say how many.
const SEARCHES: u64 = 20;

/// Tools that the agent runs itself: they add little to the prompt that is not in the request.
/// <https://docs.claude.com/en/docs/agents-and-tools/tool-use/overview>
const OWN_TOOLS: [&str; 5] = ["custom", "bash_", "text_editor_", "computer_", "memory_"];

/// The most that a request for a message can cost.
///
/// # Errors
/// When it is not such a request.
pub(super) fn most(body: &[u8]) -> serde_json::Result<Usd> {
    let request: Request<'_> = serde_json::from_slice(body)?;
    let tools = request.tools.unwrap_or_default();
    let (messages, system) = (request.messages, request.system);
    let asked = Asked {
        max_tokens: request.max_tokens.unwrap_or(MAX_OUTPUT).min(MAX_OUTPUT),
        web_searches: tools.searches,
        fast: request.speed.is_some_and(|speed| speed != "standard"),
        us_only: request.inference_geo.is_some_and(|place| place == "us"),
    };
    let fetches =
        messages.fetches || system.fetches || tools.fetches || request.mcp_servers.is_some();
    // What the service fetches or unpacks itself can fill the longest prompt.
    let images = (messages.images + system.images).saturating_mul(IMAGE_BYTES);
    let bytes = if fetches { usize::MAX } else { body.len().saturating_add(images) };
    Ok(price::reserve(&request.model, bytes, asked))
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    max_tokens: Option<u64>,
    #[serde(borrow)]
    speed: Option<Cow<'a, str>>,
    #[serde(borrow)]
    inference_geo: Option<Cow<'a, str>>,
    #[serde(default)]
    messages: Content,
    #[serde(default)]
    system: Content,
    tools: Option<Tools>,
    mcp_servers: Option<serde::de::IgnoredAny>,
}

/// Something in a message, of any form.
#[derive(Default)]
struct Content {
    /// A block somewhere in it has its content elsewhere, at an address or in a file that was
    /// uploaded, or is a document, whose pages count and not its bytes.
    fetches: bool,
    /// Images in it.
    images: usize,
    /// It is itself the name of such a type.
    is_far: bool,
    is_image: bool,
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Content;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message")
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<Content, E> {
                Ok(Content::default())
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<Content, E> {
                Ok(Content::default())
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<Content, E> {
                Ok(Content::default())
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<Content, E> {
                Ok(Content::default())
            }
            fn visit_unit<E: Error>(self) -> Result<Content, E> {
                Ok(Content::default())
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Content, E> {
                let is_far = matches!(text, "url" | "file" | "container_upload" | "document");
                Ok(Content { is_far, is_image: text == "image", ..Content::default() })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Content, A::Error> {
                let mut sum = Content::default();
                while let Some(one) = all.next_element::<Content>()? {
                    sum.fetches |= one.fetches;
                    sum.images += one.images;
                }
                Ok(sum)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Content, A::Error> {
                let mut sum = Content::default();
                while let Some((name, value)) = fields.next_entry::<Cow<'_, str>, Content>()? {
                    let is_type = name == "type";
                    sum.fetches |= value.fetches || (is_type && value.is_far);
                    sum.images += value.images + usize::from(is_type && value.is_image);
                }
                Ok(sum)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// The tools, added up while they are read: a list of them can be as long as the request.
#[derive(Default)]
struct Tools {
    searches: u64,
    /// The service runs one of them, and reads what it finds.
    fetches: bool,
}

impl<'de> Deserialize<'de> for Tools {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sum;
        #[derive(Deserialize)]
        struct Tool<'a> {
            #[serde(rename = "type", borrow)]
            kind: Option<Cow<'a, str>>,
            max_uses: Option<u64>,
        }
        impl<'de> Visitor<'de> for Sum {
            type Value = Tools;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of tools")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Tools, A::Error> {
                let mut tools = Tools::default();
                while let Some(tool) = all.next_element::<Tool<'_>>()? {
                    let Some(kind) = tool.kind else { continue };
                    tools.fetches |= !OWN_TOOLS.iter().any(|own| kind.starts_with(own));
                    if kind.starts_with("web_search") {
                        let uses = tool.max_uses.unwrap_or(SEARCHES);
                        tools.searches = tools.searches.saturating_add(uses);
                    }
                }
                Ok(tools)
            }
        }
        deserializer.deserialize_seq(Sum)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn dollars(mut body: Value) -> f64 {
        body["model"] = "claude-opus-5-5".into();
        body["max_tokens"] = body.get("max_tokens").cloned().unwrap_or(1_000.into());
        most(body.to_string().as_bytes()).unwrap().dollars()
    }

    #[test]
    fn what_is_in_a_request_bounds_its_cost() {
        let said = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
        let source = |block: &str, kind: &str| {
            said(json!([{"type": block, "source": {"type": kind, "data": "x"}}]))
        };
        // 1,000 tokens of output are two cents; the rest is less than half a cent.
        for small in [
            said(json!("url")),
            said(
                json!([{"type": "text", "text": "url"}, {"url": "type", "n": [1, -1, 0.5, null, true]}]),
            ),
            json!({"tools": null}),
            json!({"tools": [{"name": "Read", "input_schema": {"type": "url"}}]}),
            json!({"tools": [{"type": "custom"}, {"type": "bash_20250124"}, {"type": null}]}),
            json!({"metadata": {"type": "url"}, "speed": "standard", "inference_geo": "global"}),
        ] {
            let most = dollars(small.clone());
            assert!((0.02..0.025).contains(&most), "{most}: {small}");
        }
        // Eight dollars for a prompt of a million tokens.
        for large in [
            source("image", "url"),
            source("document", "file"),
            // A page of a few bytes can hold thousands of tokens.
            source("document", "base64"),
            json!({"system": [{"type": "text", "source": {"type": "url"}}]}),
            json!({"tools": [{"type": "web_fetch_20250910"}]}),
            json!({"tools": [{"type": "from_the_future"}]}),
            json!({"mcp_servers": []}),
        ] {
            assert_eq!(dollars(large.clone()), 8.02, "{large}");
        }
        let image = dollars(source("image", "base64"));
        assert!((0.06..0.07).contains(&image), "{image}");
        let search =
            |uses: Value| json!({"tools": [{"type": "web_search_20250305", "max_uses": uses}]});
        assert_eq!(dollars(search(json!(3))), 8.05);
        assert_eq!(dollars(search(json!(null))), 8.22);
        assert_eq!(dollars(json!({"max_tokens": u64::MAX, "mcp_servers": 1})), 8.0 + 20.0);
        assert!(dollars(json!({"speed": "fast"})) > 0.04);
    }

    #[test]
    fn what_is_not_a_request_is_refused() {
        for bad in
            ["", "{}", "[]", r#"{"model":1}"#, r#"{"model":"a","max_tokens":1,"max_tokens":9}"#]
        {
            assert!(most(bad.as_bytes()).is_err(), "{bad}");
        }
        let deep = format!(r#"{{"model":"m","messages":{}"#, "[".repeat(100_000));
        assert!(most(deep.as_bytes()).is_err());
    }
}
