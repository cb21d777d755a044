# Code generated from generator/src/modules/fargate.rs by `just gen`; DO NOT EDIT.
# Runs workstreams on ECS: cluster, task definition, image repository and state machine.

resource "aws_ecr_repository" "worker" {
  # checkov:skip=CKV_AWS_136:AES256 with AWS's key, unless the input kms_key_arn names another
  name                 = var.image.repository
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.image.force_delete

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = var.kms_key_arn == null ? "AES256" : "KMS"
    kms_key         = var.kms_key_arn
  }
}

resource "aws_ecr_lifecycle_policy" "worker" {
  repository = aws_ecr_repository.worker.name
  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "Expire images without a tag"
        selection = {
          tagStatus   = "untagged"
          countType   = "sinceImagePushed"
          countUnit   = "days"
          countNumber = var.image.untagged_days
        }
        action = {
          type = "expire"
        }
      },
      {
        rulePriority = 2
        description  = "Keep the newest images"
        selection = {
          tagStatus   = "any"
          countType   = "imageCountMoreThan"
          countNumber = var.image.kept
        }
        action = {
          type = "expire"
        }
      },
    ]
  })
}
