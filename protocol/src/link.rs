//! Links for people: where the lines of a run can be read, and which links we show at all.

use crate::ids::{Run, Workstream};

/// Most characters of a link.
pub const MAX_LINK: usize = 1_000;

const WORKSTREAM: &str = "{workstream}";
const RUN: &str = "{run}";
/// Characters of a run's id.
const RUN_LEN: usize = 31;

/// Why a text cannot be the template of [`log_url`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateProblem {
    /// Not a link.
    #[error(
        "is not an https URL of at most {MAX_LINK} characters, names included, all printable ASCII without spaces, quotes, brackets and <>\nhint: such as https://logs.example.com/{{workstream}}/{{run}}"
    )]
    NotALink,
    /// Something else in braces.
    #[error(
        "holds {0}, which is not known\nhint: {{workstream}} and {{run}} are replaced, and nothing else may stand in braces"
    )]
    Unknown(String),
}

/// Checks the template of [`log_url`].
///
/// # Errors
/// [`TemplateProblem`].
pub fn check_log_url(template: &str) -> Result<(), TemplateProblem> {
    // The longest names: what would be too long with them is not shown.
    let (workstream, run) = ("w".repeat(Workstream::MAX_LEN), "r".repeat(RUN_LEN));
    let plain = template.replace(WORKSTREAM, &workstream).replace(RUN, &run);
    if let Some(at) = plain.find(['{', '}']) {
        let end = plain[at..].find('}').map_or(plain.len(), |end| at + end + 1);
        return Err(TemplateProblem::Unknown(plain[at..end].chars().take(40).collect()));
    }
    if is_link(&plain) { Ok(()) } else { Err(TemplateProblem::NotALink) }
}

/// Where a run's lines can be read, by the environment's template.
#[must_use]
pub fn log_url(template: &str, workstream: &Workstream, run: &Run) -> String {
    template.replace(WORKSTREAM, workstream.as_str()).replace(RUN, run.as_str())
}

/// The template of an environment that names none: the search of CloudWatch's console, for the lines
/// of the run. The console reads what follows `#` by itself, encoded twice, with `$` for `%`.
#[must_use]
pub fn console_log_url(region: &str, log_group: &str) -> String {
    let domain = match region.split('-').next() {
        Some("cn") => "amazonaws.cn",
        _ if region.starts_with("us-gov-") => "amazonaws-us-gov.com",
        _ => "aws.amazon.com",
    };
    let group = log_group.replace('/', "$252F");
    format!(
        "https://{region}.console.{domain}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}/log-events$3FfilterPattern$3D$2522{RUN}$2522"
    )
}

/// Whether a text is a link that may be shown and followed: https, and nothing in it that could end
/// it where it stands, in a page, in Markdown or in a terminal.
#[must_use]
pub fn is_link(text: &str) -> bool {
    text.len() <= MAX_LINK
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"'`\\()".contains(&byte))
        && url::Url::parse(text).is_ok_and(|url| {
            url.scheme() == "https" && url.username().is_empty() && url.password().is_none()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_links_are_shown() {
        for (text, ok) in [
            ("https://github.com/you/project/pull/7", true),
            ("https://logs.example.com/a?b=c&d#e$25", true),
            ("http://github.com/you/project/pull/7", false),
            ("javascript:alert(1)", false),
            ("https://you:secret@example.com/", false),
            ("https://example.com/ x", false),
            ("https://example.com/\u{1b}[31m", false),
            ("https://example.com/>", false),
            ("https://example.com/)[x](", false),
            ("https://exämple.com/", false),
            ("https://", false),
            ("", false),
        ] {
            assert_eq!(is_link(text), ok, "{text}");
        }
        let long = format!("https://example.com/{}", "x".repeat(MAX_LINK - 20));
        assert!(is_link(&long) && !is_link(&format!("{long}x")));
    }

    #[test]
    fn a_template_holds_two_words_in_braces_and_no_other() {
        // Only with the names in it.
        let too_long = format!("https://e.com/{}/{WORKSTREAM}/{RUN}", "x".repeat(MAX_LINK - 60));
        for (template, said) in [
            ("https://logs.example.com/{workstream}/{run}", None),
            ("https://logs.example.com/", None),
            ("https://{workstream}.example.com/", None),
            ("http://logs.example.com/{run}", Some("is not an https URL")),
            ("{run}", Some("is not an https URL")),
            ("https://logs.example.com/{runs}", Some("holds {runs}, which is not known")),
            ("https://logs.example.com/{", Some("holds {, which")),
            ("https://logs.example.com/}", Some("holds }, which")),
            ("https://logs.example.com/ {run}", Some("is not an https URL")),
            (&too_long, Some("is not an https URL of at most 1000 characters, names")),
        ] {
            let error = check_log_url(template).err().map(|error| error.to_string());
            match (error, said) {
                (None, None) => {}
                (Some(error), Some(said)) => assert!(error.starts_with(said), "{error}"),
                (error, _) => panic!("{template}: {error:?}"),
            }
        }
    }

    #[test]
    fn a_run_is_found_in_the_console() {
        let template = console_log_url("us-east-1", "/ralph/workstreams");
        check_log_url(&template).unwrap();
        let run: Run = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001".parse().unwrap();
        let link = log_url(&template, &"docs".parse().unwrap(), &run);
        assert_eq!(
            link,
            "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logsV2:log-groups/log-group/$252Fralph$252Fworkstreams/log-events$3FfilterPattern$3D$252201ARZ3NDEKTSV4RRFFQ69G5FAV-0001$2522"
        );
        assert!(is_link(&link));
        assert_eq!(run.as_str().len(), RUN_LEN);
        assert!(console_log_url("cn-north-1", "g").contains(".console.amazonaws.cn/"));
        assert!(console_log_url("us-gov-west-1", "g").contains(".console.amazonaws-us-gov.com/"));
    }
}
