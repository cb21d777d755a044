//! IAM policies as types.

use super::collect::{object, tuple};
use super::expr::Expr;
use super::func::json_encode;
use super::types::{Any, Arn, Json, List, Text};

/// The language version every policy states.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html>
const VERSION: &str = "2012-10-17";

/// A policy document.
pub struct Document<M>(Vec<Statement<M>>);

/// Who may act, in a policy attached to a resource or a role's trust.
#[derive(Clone)]
pub enum Principal {
    /// An AWS service, such as `lambda.amazonaws.com`.
    Service(&'static str),
}

/// One statement. Made with [`Statement::allow`].
pub struct Statement<M> {
    sid: &'static str,
    effect: &'static str,
    principal: Option<Principal>,
    actions: Vec<&'static str>,
    resources: Vec<Expr<M, Any>>,
    reason: Option<&'static str>,
    conditions: Vec<(&'static str, &'static str, Expr<M, Any>)>,
}

/// A condition's operator with its keys and their values.
type Operator<M> = (&'static str, Vec<(&'static str, Expr<M, Any>)>);

impl<M> Statement<M> {
    /// Allows `actions`, each `service:Action`. Name the resources next.
    ///
    /// # Panics
    /// When an action is not `service:Action`: the model's author sees it on the first run.
    #[must_use]
    pub fn allow(sid: &'static str, actions: &[&'static str]) -> Self {
        for action in actions {
            let (service, name) = action.split_once(':').unwrap_or_default();
            assert!(!service.is_empty() && !name.is_empty(), "`{action}` is not service:Action");
        }
        let actions = actions.to_vec();
        Self {
            sid,
            effect: "Allow",
            principal: None,
            actions,
            resources: Vec::new(),
            reason: None,
            conditions: Vec::new(),
        }
    }

    /// On this resource.
    #[must_use]
    pub fn on(mut self, resource: impl Into<Expr<M, Arn>>) -> Self {
        self.resources.push(resource.into().any());
        self
    }

    /// On each of these resources. Stands alone: it is a list of its own.
    #[must_use]
    pub fn on_all(mut self, resources: &Expr<M, List<Arn>>) -> Self {
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

    /// By this principal.
    #[must_use]
    pub fn by(mut self, principal: Principal) -> Self {
        self.principal = Some(principal);
        self
    }

    /// Only if `operator` holds between `key` and `value`, such as `StringEquals`.
    #[must_use]
    pub fn when(
        mut self,
        operator: &'static str,
        key: &'static str,
        value: impl Into<Expr<M, Text>>,
    ) -> Self {
        self.conditions.push((operator, key, value.into().any()));
        self
    }

    fn into_object(self) -> Expr<M, Any> {
        let mut fields: Vec<(&str, Expr<M, Any>)> =
            vec![("Sid", self.sid.into()), ("Effect", self.effect.into())];
        if let Some(Principal::Service(service)) = self.principal {
            fields.push(("Principal", object([("Service", service.into())])));
        }
        let mut actions: Vec<Expr<M, Any>> = self.actions.into_iter().map(Into::into).collect();
        fields.push((
            "Action",
            match actions.len() {
                1 => actions.remove(0),
                _ => tuple(actions),
            },
        ));
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
        object(fields)
    }
}

impl<M> Document<M> {
    /// A document of these statements.
    pub fn new(statements: impl IntoIterator<Item = Statement<M>>) -> Self {
        Self(statements.into_iter().collect())
    }

    /// Why statements name every resource, as a comment for the block that holds the document.
    #[must_use]
    pub fn reasons(&self) -> String {
        let reasons = self.0.iter().filter_map(|statement| {
            statement.reason.map(|reason| format!("{} is on `*`: {reason}.", statement.sid))
        });
        reasons.collect::<Vec<_>>().join("\n")
    }

    /// Who may assume a role: the service, and only it.
    ///
    /// For the services that AWS does not document to send `aws:SourceArn` or `aws:SourceAccount`
    /// when they assume a role (Lambda, API Gateway): a condition on a key that is not sent denies
    /// always. Nobody else's deputy can be confused there, because a role is handed over with
    /// `iam:PassRole`, which does not reach across accounts.
    #[must_use]
    pub fn trust(service: &'static str) -> Self {
        Self::new([Statement::allow("Assume", &["sts:AssumeRole"]).by(Principal::Service(service))])
    }
}

impl<M> From<Document<M>> for Expr<M, Json> {
    fn from(document: Document<M>) -> Self {
        json_encode(object([
            ("Version", VERSION.into()),
            ("Statement", tuple(document.0.into_iter().map(Statement::into_object))),
        ]))
    }
}
