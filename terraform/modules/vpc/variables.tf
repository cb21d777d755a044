# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# The network of the tasks. Defined in generator/src/modules/vpc.rs.

variable "availability_zones" {
  description = "Availability zones of the subnets, two to six; mode create makes a subnet in each."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.availability_zones) >= 2
    error_message = "At least two availability zones: Spot capacity runs out in one at a time."
  }

  validation {
    condition     = (length(distinct(var.availability_zones)) == length(var.availability_zones)) && (length(var.availability_zones) <= 6)
    error_message = "At most six availability zones, each named once."
  }
}

variable "cidr" {
  description = "Address range of the VPC in mode create, /16 to /24."
  type        = string
  default     = "10.20.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrsubnet(var.cidr, 4, 15)) && can(regex("^[0-9.]+/(1[6-9]|2[0-4])$", var.cidr))
    error_message = "The range is IPv4 and from /16 to /24: AWS makes no VPC wider, and a narrower one has no room for the subnets."
  }
}

variable "existing_subnet_ids" {
  description = "Ids of the subnets to use in mode existing, at least two, in different availability zones."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.existing_subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "A subnet is named by its id, such as subnet-0123456789abcdef0."
  }
}

variable "existing_subnets_are_private" {
  description = "Whether the subnets of mode existing are private, with a way out of their own: tasks there get no public address."
  type        = bool
  default     = false
  nullable    = false
}

variable "existing_vpc_id" {
  description = "Id of the VPC to use in mode existing."
  type        = string
  default     = null

  validation {
    condition     = (var.existing_vpc_id == null) || can(regex("^vpc-[0-9a-f]+$", var.existing_vpc_id))
    error_message = "A VPC is named by its id, such as vpc-0123456789abcdef0."
  }
}

variable "flow_log_retention_in_days" {
  description = "Days that the flow logs keep a line."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition = contains(
      [
        1,
        3,
        5,
        7,
        14,
        30,
        60,
        90,
        120,
        150,
        180,
        365,
        400,
        545,
        731,
        1096,
        1827,
        2192,
        2557,
        2922,
        3288,
        3653,
      ],
      var.flow_log_retention_in_days,
    )
    error_message = "CloudWatch Logs keeps lines for one of these numbers of days: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

variable "flow_logs" {
  description = "Whether mode create records which addresses talked to each other; each GB costs what any log costs."
  type        = bool
  default     = false
  nullable    = false
}

variable "interface_endpoints" {
  description = "Services that mode create reaches without leaving AWS, of ecr.api, ecr.dkr, logs and secretsmanager; each costs about 7 dollars a month in each zone."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition = alltrue(
      [
        for item in var.interface_endpoints : contains(
          ["ecr.api", "ecr.dkr", "logs", "secretsmanager"],
          item,
        )
      ],
    )
    error_message = "Tasks use the services ecr.api, ecr.dkr, logs and secretsmanager; S3 has a free endpoint."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the flow logs; null for AWS's own."
  type        = string
  default     = null

  validation {
    condition     = (var.kms_key_arn == null) || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]+:key/.+$", var.kms_key_arn))
    error_message = "The key is named by its ARN, not by an alias: some services accept nothing else."
  }
}

variable "mode" {
  description = "Where the network comes from: create makes one, default takes the account's default VPC, existing takes the one that is named."
  type        = string
  default     = "create"
  nullable    = false

  validation {
    condition     = contains(["create", "default", "existing"], var.mode)
    error_message = "The mode is create, default or existing."
  }
}

variable "name" {
  description = "What names begin with."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,47}$", var.name))
    error_message = "The name has at most 48 lower-case letters, digits and hyphens and begins with a letter: what is appended to it must fit into the 64 characters of a role's name."
  }
}

variable "nat" {
  description = "Way out in mode create: none gives each task a public address while it runs; single and per-az make private subnets and one NAT gateway, or one in each zone, at about 33 dollars a month each."
  type        = string
  default     = "none"
  nullable    = false

  validation {
    condition     = contains(["none", "single", "per-az"], var.nat)
    error_message = "The way out is none, single or per-az."
  }
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds what the role of the flow logs can ever do; null for none."
  type        = string
  default     = null

  validation {
    condition     = (var.permissions_boundary_arn == null) || can(regex("^arn:[^:]+:iam::[0-9a-z]+:policy/.+$", var.permissions_boundary_arn))
    error_message = "The boundary is the ARN of an IAM policy, or null."
  }
}

variable "region" {
  description = "Region of the VPC."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "The Region is given by its code, such as us-east-1."
  }
}

variable "role_path" {
  description = "Path of the role of the flow logs."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.role_path))
    error_message = "A role's path begins and ends with a slash, such as / or /ralph/."
  }
}
