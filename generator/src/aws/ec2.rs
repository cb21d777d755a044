//! VPC and what is in it.

use crate::hcl::types::*;
use crate::{data, nested, resource};

resource! {
    /// A VPC.
    Vpc("aws_vpc") -> VpcRef {
        optional {
            cidr_block: Text, enable_dns_support: Bool, enable_dns_hostnames: Bool,
            tags: Map<Text>,
        }
        exports { id: VpcId, arn: Arn }
    }
    /// The security group that every VPC has; adopting it empties it.
    DefaultSecurityGroup("aws_default_security_group") -> DefaultSecurityGroupRef {
        optional { vpc_id: VpcId, tags: Map<Text> } exports { id: SecurityGroupId }
    }
    /// A subnet.
    Subnet("aws_subnet") -> SubnetRef {
        required { vpc_id: VpcId }
        optional {
            cidr_block: Text, availability_zone: Text, map_public_ip_on_launch: Bool,
            tags: Map<Text>,
        }
        exports { id: SubnetId, arn: Arn }
    }
    /// An internet gateway.
    InternetGateway("aws_internet_gateway") -> InternetGatewayRef {
        optional { vpc_id: VpcId, tags: Map<Text> } exports { id: InternetGatewayId }
    }
    /// A route table.
    RouteTable("aws_route_table") -> RouteTableRef {
        required { vpc_id: VpcId } optional { tags: Map<Text> } exports { id: RouteTableId }
    }
    /// A route.
    Route("aws_route") -> RouteRef {
        required { route_table_id: RouteTableId }
        optional {
            destination_cidr_block: Text, gateway_id: InternetGatewayId,
            nat_gateway_id: NatGatewayId,
        }
    }
    /// A subnet's route table.
    RouteTableAssociation("aws_route_table_association") -> RouteTableAssociationRef {
        required { route_table_id: RouteTableId } optional { subnet_id: SubnetId }
    }
    /// A VPC endpoint.
    VpcEndpoint("aws_vpc_endpoint") -> VpcEndpointRef {
        required { vpc_id: VpcId }
        optional {
            service_name: Text, vpc_endpoint_type: Text, route_table_ids: List<RouteTableId>,
            subnet_ids: List<SubnetId>, security_group_ids: List<SecurityGroupId>,
            private_dns_enabled: Bool, tags: Map<Text>,
        }
    }
    /// A security group.
    SecurityGroup("aws_security_group") -> SecurityGroupRef {
        optional { name: Text, description: Text, vpc_id: VpcId, tags: Map<Text> }
        exports { id: SecurityGroupId, arn: Arn }
    }
    /// What may leave a security group.
    EgressRule("aws_vpc_security_group_egress_rule") -> EgressRuleRef {
        required { security_group_id: SecurityGroupId, ip_protocol: Text }
        optional {
            description: Text, cidr_ipv4: Text, from_port: Number, to_port: Number,
            tags: Map<Text>,
        }
    }
    /// What may enter a security group.
    IngressRule("aws_vpc_security_group_ingress_rule") -> IngressRuleRef {
        required { security_group_id: SecurityGroupId, ip_protocol: Text }
        optional {
            description: Text, cidr_ipv4: Text, referenced_security_group_id: SecurityGroupId,
            from_port: Number, to_port: Number, tags: Map<Text>,
        }
    }
    /// A public address that stays.
    Eip("aws_eip") -> EipRef {
        optional { domain: Text, tags: Map<Text> }
        exports { id: AllocationId, allocation_id: AllocationId }
    }
    /// The way out of private subnets.
    NatGateway("aws_nat_gateway") -> NatGatewayRef {
        required { subnet_id: SubnetId } optional { allocation_id: AllocationId, tags: Map<Text> }
        exports { id: NatGatewayId }
    }
    /// A record of who talked to whom.
    FlowLog("aws_flow_log") -> FlowLogRef {
        optional {
            vpc_id: VpcId, traffic_type: Text, log_destination: Arn, log_destination_type: Text,
            iam_role_arn: Arn, tags: Map<Text>,
        }
    }
}

data! {
    /// A VPC that exists.
    VpcData("aws_vpc") -> VpcDataRef { optional { default: Bool, id: VpcId } exports { id: VpcId } }
    /// Subnets that exist.
    SubnetsData("aws_subnets") -> SubnetsDataRef {
        blocks { filter: Filter } exports { ids: List<SubnetId> }
    }
}

nested! {
    /// A filter of a data source.
    Filter { required { name: Text, values: List<Text> } }
}
