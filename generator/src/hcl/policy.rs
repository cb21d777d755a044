//! IAM policies as types.

use super::expr::{Expr, object, tuple};
use super::flat::flat;
use super::func;
use super::types::{Any, Arn, Bool, Json, List, PolicyStatement, Text};

/// The language version every policy states.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html>
const VERSION: &str = "2012-10-17";

/// A policy document.
pub struct Document<M> {
    statements: Vec<Statement<M>>,
    more: Vec<Expr<M, List<PolicyStatement>>>,
    reasons: Vec<String>,
}

/// One statement. Made with [`Statement::allow`].
pub struct Statement<M> {
    sid: Expr<M, Text>,
    service: Option<&'static str>,
    actions: Expr<M, Any>,
    resources: Vec<Expr<M, Any>>,
    reason: Option<&'static str>,
    conditions: Vec<(&'static str, &'static str, Expr<M, Any>)>,
}

/// A condition's operator with its keys and their values.
type Operator<M> = (&'static str, Vec<(&'static str, Expr<M, Any>)>);

/// `sqs: GetQueueUrl SendMessage` as `sqs:GetQueueUrl` and `sqs:SendMessage`.
///
/// # Panics
/// When there is no service or no action.
#[must_use]
pub fn names(actions: &str) -> Vec<String> {
    let (service, names) = actions.split_once(": ").unwrap_or_default();
    let names: Vec<String> =
        names.split_whitespace().map(|name| format!("{service}:{name}")).collect();
    assert!(!service.is_empty() && !names.is_empty(), "`{actions}` is not `service: Action …`");
    names
}

impl<M> Statement<M> {
    /// Allows actions of a service: `sqs: GetQueueUrl SendMessage`. Name the resources next.
    ///
    /// # Panics
    /// When there is no service or no action: the model's author sees it on the first run.
    #[must_use]
    pub fn allow(sid: &'static str, actions: &str) -> Self {
        let mut actions = names(actions);
        Self::new(
            sid.into(),
            match actions.len() {
                1 => actions.remove(0).into(),
                _ => tuple(actions.into_iter().map(Into::into)),
            },
        )
    }

    /// Allows each of a list of actions.
    #[must_use]
    pub fn allow_each(sid: impl Into<Expr<M, Text>>, actions: &Expr<M, List<Text>>) -> Self {
        Self::new(sid.into(), actions.any())
    }

    fn new(sid: Expr<M, Text>, actions: Expr<M, Any>) -> Self {
        Self {
            sid,
            service: None,
            actions,
            resources: Vec::new(),
            reason: None,
            conditions: Vec::new(),
        }
    }

    /// Lets a service assume a role.
    ///
    /// Lambda and API Gateway need no condition: AWS does not document that they send
    /// `aws:SourceArn` or `aws:SourceAccount` when they assume a role, and a condition on a key that is
    /// not sent denies always. Nobody else's deputy can be confused there, because a role is handed over
    /// with `iam:PassRole`, which does not reach across accounts.
    #[must_use]
    pub fn trust(service: &'static str) -> Self {
        Self::allow("AssumeRole", "sts: AssumeRole").by(service)
    }

    /// On this resource.
    #[must_use]
    pub fn on(mut self, resource: impl Into<Expr<M, Arn>>) -> Self {
        self.resources.push(resource.into().any());
        self
    }

    /// On each resource of a list.
    #[must_use]
    pub fn on_each(mut self, resources: &Expr<M, List<Arn>>) -> Self {
        self.resources.push(resources.any());
        self
    }

    /// On every resource. `reason` says what forces it; see [`Document::reasons`].
    #[must_use]
    pub fn on_everything(mut self, reason: &'static str) -> Self {
        self.resources.push("*".into());
        self.reason = Some(reason);
        self
    }

    /// By this service, such as `lambda.amazonaws.com`.
    #[must_use]
    pub fn by(self, service: &'static str) -> Self {
        Self { service: Some(service), ..self }
    }

    /// Only if `operator` holds between `key` and `value`, such as `StringEquals`.
    #[must_use]
    pub fn when(
        mut self,
        operator: &'static str,
        key: &'static str,
        value: impl Into<Expr<M, Any>>,
    ) -> Self {
        self.conditions.push((operator, key, value.into()));
        self
    }

    fn written_reason(&self) -> Option<String> {
        let sid = flat(&self.sid.node().expression);
        self.reason.map(|reason| format!("{} is on `*`: {reason}.", sid.trim_matches('"')))
    }

    /// The statement as an object, where several documents share it.
    #[must_use]
    pub fn object(self) -> Expr<M, PolicyStatement> {
        let mut fields: Vec<(&str, Expr<M, Any>)> =
            vec![("Sid", self.sid.any()), ("Effect", "Allow".into())];
        if let Some(service) = self.service {
            fields.push(("Principal", object([("Service", service.into())])));
        }
        fields.push(("Action", self.actions));
        let mut resources = self.resources;
        match resources.len() {
            0 => {}
            1 => fields.push(("Resource", resources.remove(0))),
            _ => fields.push(("Resource", tuple(resources))),
        }
        let mut conditions: Vec<Operator<M>> = Vec::new();
        for (operator, key, value) in self.conditions {
            match conditions.iter_mut().find(|(own, _)| *own == operator) {
                Some((_, keys)) => keys.push((key, value)),
                None => conditions.push((operator, vec![(key, value)])),
            }
        }
        if !conditions.is_empty() {
            let conditions = conditions.into_iter().map(|(op, keys)| (op, object(keys)));
            fields.push(("Condition", object(conditions)));
        }
        Expr::new(object(fields).into_node())
    }
}

impl<M> Document<M> {
    /// A document of these statements.
    pub fn new(statements: impl IntoIterator<Item = Statement<M>>) -> Self {
        let statements: Vec<_> = statements.into_iter().collect();
        let reasons = statements.iter().filter_map(Statement::written_reason).collect();
        Self { statements, more: Vec::new(), reasons }
    }

    /// Statements that are worked out, after those that are written here.
    #[must_use]
    pub fn and(mut self, statements: Expr<M, List<PolicyStatement>>) -> Self {
        self.more.push(statements);
        self
    }

    /// A statement for each item of a list for which `holds` is true: none, or one where a switch is on.
    #[must_use]
    pub fn and_where<T>(
        mut self,
        (name, items): (&str, &Expr<M, List<T>>),
        holds: impl FnOnce(Expr<M, T>) -> Expr<M, Bool>,
        statement: Statement<M>,
    ) -> Self {
        self.reasons.extend(statement.written_reason());
        self.and(items.map_where(name, |item| (statement.object(), holds(item))))
    }

    /// Why statements name every resource, as a comment for the block that holds the document.
    #[must_use]
    pub fn reasons(&self) -> String {
        self.reasons.join("\n")
    }
}

impl<M> From<Document<M>> for Expr<M, Json> {
    fn from(document: Document<M>) -> Self {
        let written: Expr<M, List<PolicyStatement>> =
            document.statements.into_iter().map(Statement::object).collect();
        let statements = match document.more.is_empty() {
            true => written,
            false => func::concat_all([written].into_iter().chain(document.more)),
        };
        let fields = [("Version", VERSION.into()), ("Statement", statements.any())];
        func::json_encode(object(fields))
    }
}
