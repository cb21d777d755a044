//! The functions' environment variables, checked once at the start.

use ralph_protocol::{
    execution::MAX_DURATION_SECS,
    names::{Handler, Resources, lambda_env},
};

/// Why a function cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A variable is missing or empty.
    #[error("environment variable {0} is missing or empty\nhint: the websocket module sets it")]
    Missing(&'static str),
    /// A variable holds something other than it should.
    #[error("environment variable {name} is not {expected}")]
    Invalid {
        /// Which.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// `_HANDLER` names no function.
    #[error("`{0}` is not a handler\nhint: the function's handler is one of {known}", known = known_handlers())]
    Handler(String),
}

fn known_handlers() -> String {
    Handler::ALL.map(Handler::as_str).join(", ")
}

/// What the environment says. Each function reads only what it is given, so a function needs no
/// variable (and no permission) of another one.
#[derive(Debug, Clone)]
pub struct Config<F> {
    get: F,
}

impl<F: Fn(&str) -> Option<String>> Config<F> {
    /// Over a way to read a variable.
    pub fn new(get: F) -> Self {
        Self { get }
    }

    fn text(&self, name: &'static str) -> Result<String, ConfigError> {
        (self.get)(name).filter(|value| !value.is_empty()).ok_or(ConfigError::Missing(name))
    }

    /// Which function this is.
    ///
    /// # Errors
    /// [`ConfigError::Missing`], [`ConfigError::Handler`].
    pub fn handler(&self) -> Result<Handler, ConfigError> {
        let name = self.text(lambda_env::HANDLER)?;
        Handler::parse(&name).ok_or(ConfigError::Handler(name))
    }

    /// Names in the function's environment.
    ///
    /// # Errors
    /// [`ConfigError::Missing`].
    pub fn resources(&self) -> Result<Resources, ConfigError> {
        Ok(Resources::new(self.text(lambda_env::ENVIRONMENT)?))
    }

    /// The table's name.
    ///
    /// # Errors
    /// [`ConfigError::Missing`].
    pub fn table(&self) -> Result<String, ConfigError> {
        self.text(lambda_env::TABLE)
    }

    /// The workers' log group.
    ///
    /// # Errors
    /// [`ConfigError::Missing`].
    pub fn log_group(&self) -> Result<String, ConfigError> {
        self.text(lambda_env::LOG_GROUP)
    }

    /// Seconds the log group keeps a line.
    ///
    /// # Errors
    /// [`ConfigError::Missing`], [`ConfigError::Invalid`].
    pub fn retention_secs(&self) -> Result<u64, ConfigError> {
        let text = self.text(lambda_env::RETENTION_DAYS)?;
        let days: Option<u64> = text.parse().ok().filter(|days| (1..=36_500).contains(days));
        let invalid = ConfigError::Invalid {
            name: lambda_env::RETENTION_DAYS,
            expected: "a number of days, 1 to 36500",
        };
        days.map(|days| days * 24 * 3600).ok_or(invalid)
    }

    /// How long an execution may take whose order names no limit, seconds.
    ///
    /// # Errors
    /// [`ConfigError::Missing`], [`ConfigError::Invalid`].
    pub fn max_duration_secs(&self) -> Result<u64, ConfigError> {
        let name = lambda_env::MAX_DURATION_SECS;
        let seconds: Option<u64> = self.text(name)?.parse().ok();
        seconds
            .filter(|seconds| (1..=MAX_DURATION_SECS).contains(seconds))
            .ok_or(ConfigError::Invalid { name, expected: "a number of seconds, 1 to 25920000" })
    }

    /// Whether orders may name `file://` repositories.
    ///
    /// # Errors
    /// [`ConfigError::Missing`], [`ConfigError::Invalid`].
    pub fn allow_file_repo(&self) -> Result<bool, ConfigError> {
        let name = lambda_env::ALLOW_FILE_REPO;
        match self.text(name)?.as_str() {
            "1" => Ok(true),
            "0" => Ok(false),
            _ => Err(ConfigError::Invalid { name, expected: "`0` or `1`" }),
        }
    }

    /// The topic that hears of the end of executions; `None`: nobody does.
    #[must_use]
    pub fn notify_topic_arn(&self) -> Option<String> {
        self.text(lambda_env::NOTIFY_TOPIC_ARN).ok()
    }

    /// Where the lines of a run can be read; `None`: nothing is said about it. Not checked here: no
    /// execution fails for a link.
    #[must_use]
    pub fn log_url(&self) -> Option<String> {
        self.text(lambda_env::LOG_URL).ok()
    }

    /// The signing keys' secret.
    ///
    /// # Errors
    /// [`ConfigError::Missing`].
    pub fn signing_keys_arn(&self) -> Result<String, ConfigError> {
        self.text(lambda_env::SIGNING_KEYS_ARN)
    }

    /// Where frames are posted, without a slash at its end.
    ///
    /// # Errors
    /// [`ConfigError::Missing`], [`ConfigError::Invalid`].
    pub fn management_endpoint(&self) -> Result<String, ConfigError> {
        let name = lambda_env::MANAGEMENT_ENDPOINT;
        let url = self.text(name)?;
        if !url.starts_with("https://") && !url.starts_with("http://") {
            return Err(ConfigError::Invalid { name, expected: "an http or https URL" });
        }
        Ok(url.trim_end_matches('/').to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> Config<impl Fn(&str) -> Option<String>> {
        Config::new(move |asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn the_handlers_name_picks_the_function() {
        assert_eq!(with("_HANDLER", "push-logs").handler(), Ok(Handler::PushLogs));
        let error = with("_HANDLER", "bootstrap").handler().unwrap_err().to_string();
        assert!(error.contains("hint: the function's handler is one of authorize, "), "{error}");
        let missing = ConfigError::Missing("_HANDLER");
        assert_eq!(with("_HANDLER", "").handler(), Err(missing.clone()));
        assert_eq!(with("X", "y").handler(), Err(missing));
    }

    #[test]
    fn values_are_checked_where_they_enter() {
        assert_eq!(with("RALPH_RETENTION_DAYS", "7").retention_secs(), Ok(604_800));
        for bad in ["0", "-1", "a week", "99999999999"] {
            assert!(with("RALPH_RETENTION_DAYS", bad).retention_secs().is_err(), "{bad}");
        }
        assert_eq!(with("RALPH_MAX_DURATION_SECS", "60").max_duration_secs(), Ok(60));
        for bad in ["0", "-1", "1.5", "25920001", "an hour"] {
            assert!(with("RALPH_MAX_DURATION_SECS", bad).max_duration_secs().is_err(), "{bad}");
        }
        assert_eq!(with("RALPH_ALLOW_FILE_REPO", "0").allow_file_repo(), Ok(false));
        assert_eq!(with("RALPH_ALLOW_FILE_REPO", "1").allow_file_repo(), Ok(true));
        assert!(with("RALPH_ALLOW_FILE_REPO", "true").allow_file_repo().is_err());
        let endpoint =
            with("RALPH_MANAGEMENT_ENDPOINT", "http://127.0.0.1:1/x/").management_endpoint();
        assert_eq!(endpoint.as_deref(), Ok("http://127.0.0.1:1/x"));
        assert!(with("RALPH_MANAGEMENT_ENDPOINT", "wss://x").management_endpoint().is_err());
        assert_eq!(with("RALPH_NOTIFY_TOPIC_ARN", "").notify_topic_arn(), None);
        assert_eq!(with("RALPH_ENVIRONMENT", "dev").resources(), Ok(Resources::new("dev")));
    }
}
