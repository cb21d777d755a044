//! The image of the tasks.

use super::super::problem::Problem;
use super::super::raw::Table;
use super::secret;

/// Most characters of an image's name.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html>
const LONGEST: usize = 255;

/// Rules about the image of the environment `name`.
pub(super) fn check(name: &str, table: &Table, problems: &mut Vec<Problem>) {
    let place = |key: &str| table.place(&format!("worker.{key}"));
    if table.text("worker.image_tag") == Some("latest") {
        let problem = Problem::new("`latest` could be pushed once only");
        let problem = problem.at(place("image_tag"), "tags here cannot be moved");
        problems.push(problem.hint("a version, such as 0.1.0"));
    }
    let image = table.text("worker.image");
    if let (Some(arn), Some(credentials)) =
        (table.text("worker.image_credentials_arn"), place("image_credentials_arn"))
    {
        let what = "image_credentials_arn";
        secret::check(name, table, (what, arn, Some(credentials.clone())), problems);
        if place("image").is_none() {
            problems.push(
                Problem::new(format!("{what} has no meaning without image"))
                    .at(credentials, "the environment's own repository needs none")
                    .hint("name the image, or leave this out"),
            );
        } else if image.is_some_and(is_in_ecr) {
            problems.push(
                Problem::new(format!("{what} has no meaning with an image in ECR"))
                    .at(credentials, "ECR takes no password from a task")
                    .at(place("image"), "in ECR")
                    .hint("leave it out: the task's execution role pulls"),
            );
        }
    }
    let Some(own) = place("image") else { return };
    for key in ["image_tag", "image_digest"] {
        if let Some(other) = place(key) {
            problems.push(
                Problem::new(format!("{key} has no meaning beside image"))
                    .at(other, "of the environment's own repository")
                    .at(own.clone(), "tasks run this image")
                    .hint(format!("leave out {key}, and name the tag or the digest in image")),
            );
        }
    }
    let Some(image) = image else { return };
    let last = image.rsplit('/').next().unwrap_or_default();
    let wrong = if last.ends_with(":latest") {
        "`latest` is another image tomorrow"
    } else if !last.contains([':', '@']) {
        "without a tag it would be `latest`"
    } else if image.len() > LONGEST {
        "ECS takes 255 characters"
    } else {
        return;
    };
    problems.push(Problem::new("image does not say which image a run has").at(own, wrong).hint(
        "name a version or a digest, such as ghcr.io/team/worker:1: a run must know what it runs",
    ));
}

/// `<account>.dkr.ecr.<region>.amazonaws.com/…`, or the name with an IPv6 address.
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-requests.html>
fn is_in_ecr(image: &str) -> bool {
    let host = image.split('/').next().unwrap_or_default();
    host.contains(".dkr.ecr") || host.contains(".dkr-ecr")
}
