# Code generated from generator/src/modules/vpc.rs by `just gen`; DO NOT EDIT.
# Makes or takes the network of the tasks, and makes their security group.

variable "availability_zones" {
  description = "Availability zones that tasks run in, two to six; mode create makes a subnet in each."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.availability_zones) >= 2 && length(var.availability_zones) <= 6 && length(distinct(var.availability_zones)) == length(var.availability_zones)
    error_message = "availability_zones must name two to six different zones: Spot capacity runs out in one zone at a time."
  }
}

variable "cidr" {
  description = "Address range of the VPC in mode create, /16 to /24."
  type        = string
  default     = "10.20.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrsubnet(var.cidr, 4, 15)) && can(regex("^[0-9.]+/(1[6-9]|2[0-4])$", var.cidr))
    error_message = "cidr must be an IPv4 range from /16 to /24, such as 10.20.0.0/16: AWS makes no larger VPC, and a smaller one has no room for the subnets."
  }
}

variable "existing" {
  description = <<-EOT
    The network that mode existing uses.
    - private: Whether the subnets are private, with a NAT gateway or another way out: tasks there get no public IP address.
    - subnet_ids: Ids of the subnets, at least two, in different availability zones.
    - vpc_id: Id of the VPC.
  EOT
  type = object({
    private    = optional(bool, false)
    subnet_ids = optional(list(string), [])
    vpc_id     = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for id in var.existing.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "subnet_ids must be ids of subnets, such as subnet-0123456789abcdef0."
  }

  validation {
    condition     = var.existing.vpc_id == null || can(regex("^vpc-[0-9a-f]+$", var.existing.vpc_id))
    error_message = "vpc_id must be the id of a VPC, such as vpc-0123456789abcdef0, or null."
  }
}

variable "flow_logs" {
  description = <<-EOT
    VPC flow logs, in mode create.
    - enabled: Whether there are any; each GB costs what any log costs.
    - retention_in_days: Days that they keep a line.
  EOT
  type = object({
    enabled           = optional(bool, false)
    retention_in_days = optional(number, 7)
  })
  default  = {}
  nullable = false

  validation {
    condition = contains(
      [
        1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192,
        2557, 2922, 3288, 3653,
      ],
      var.flow_logs.retention_in_days,
    )
    error_message = "retention_in_days must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653, the days that CloudWatch Logs offers."
  }
}

variable "interface_endpoints" {
  description = "Services that get an interface endpoint in mode create: any of ecr.api, ecr.dkr, logs and secretsmanager. Each costs about 7 dollars a month in each zone."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(setsubtract(var.interface_endpoints, ["ecr.api", "ecr.dkr", "logs", "secretsmanager"])) == 0
    error_message = "interface_endpoints must be any of ecr.api, ecr.dkr, logs and secretsmanager; S3 has a gateway endpoint anyway, which is free."
  }
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts the flow logs; null for AWS's own. Its policy must let CloudWatch Logs use it."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]+:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key, not of an alias, or null."
  }
}

variable "mode" {
  description = "Which VPC the tasks use: create makes one, default takes the account's default VPC, existing takes the VPC of the input existing."
  type        = string
  default     = "create"
  nullable    = false

  validation {
    condition     = contains(["create", "default", "existing"], var.mode)
    error_message = "mode must be create, default or existing."
  }
}

variable "name" {
  description = "Prefix of the resources' names."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,47}$", var.name))
    error_message = "name must begin with a lower-case letter and have at most 48 lower-case letters, digits and hyphens: a role's name is made of it."
  }
}

variable "nat" {
  description = "NAT gateways in mode create: none gives each task a public IP address while it runs; single and per-az make private subnets with one NAT gateway, or one in each zone, at about 33 dollars a month each."
  type        = string
  default     = "none"
  nullable    = false

  validation {
    condition     = contains(["none", "single", "per-az"], var.nat)
    error_message = "nat must be none, single or per-az."
  }
}

variable "region" {
  description = "Region of the VPC."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be the code of a Region, such as us-east-1."
  }
}

variable "roles" {
  description = <<-EOT
    Path and permissions boundary of the flow logs' IAM role.
    - path: Path of the IAM roles.
    - permissions_boundary_arn: ARN of the policy that is the roles' permissions boundary; null for none.
  EOT
  type = object({
    path                     = optional(string, "/")
    permissions_boundary_arn = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.roles.path))
    error_message = "path must begin and end with a slash, such as / or /ralph/."
  }

  validation {
    condition     = var.roles.permissions_boundary_arn == null || can(regex("^arn:[^:]+:iam::[0-9a-z]+:policy/.+$", var.roles.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of an IAM policy, or null."
  }
}
