# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# The network of the tasks. Defined in generator/src/modules/vpc.rs.

variable "availability_zones" {
  description = "Availability zones of the subnets; mode create makes one public subnet in each."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.availability_zones) >= 2
    error_message = "At least two availability zones: Spot capacity runs out in one at a time."
  }
}

variable "cidr" {
  description = "Address range of the VPC in mode create."
  type        = string
  nullable    = false
}

variable "existing_subnet_ids" {
  description = "Ids of the subnets to use in mode existing."
  type        = list(string)
  nullable    = false
}

variable "existing_vpc_id" {
  description = "Id of the VPC to use in mode existing."
  type        = string
  default     = null
}

variable "mode" {
  description = "Where the network comes from: create makes one, default takes the account's default VPC, existing takes the one that is named."
  type        = string
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
}

variable "region" {
  description = "Region of the VPC."
  type        = string
  nullable    = false
}
