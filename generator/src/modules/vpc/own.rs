//! Mode create: a VPC with a public subnet in each zone, and private ones where there is NAT.

use super::{Vpc, VpcInputs, private};
use crate::aws::ec2::{
    self, DefaultSecurityGroup, InternetGateway, InternetGatewayRef, Route, RouteTable,
    RouteTableAssociation, Subnet, SubnetRef, VpcEndpoint, VpcRef,
};
use crate::hcl::prelude::*;
use crate::hcl::{Each, Maybe};
use crate::skips;

/// What mode create makes; nothing in the other modes.
pub(super) struct Network {
    /// Whether it is made.
    pub(super) create: Expr<Vpc, Bool>,
    pub(super) vpc: Maybe<Vpc, VpcRef<Vpc>>,
    pub(super) gateways: Expr<Vpc, Number>,
    pub(super) subnet_ids: Expr<Vpc, List<SubnetId>>,
}

/// What private subnets are built on.
pub(super) struct Public {
    pub(super) create: Expr<Vpc, Bool>,
    pub(super) vpc_id: Expr<Vpc, VpcId>,
    pub(super) gateway: Maybe<Vpc, InternetGatewayRef<Vpc>>,
    pub(super) subnets: Each<Vpc, SubnetRef<Vpc>>,
}

pub(super) fn network(m: &mut Module<Vpc>, inputs: &VpcInputs<Vpc>) -> Network {
    let options = &inputs.options;
    let named = |suffix: &str| map([("Name", text![&inputs.name, suffix])]);
    let create = m.local("create", options.mode.equals("create"));
    let vpc = m.add_if(
        &create,
        ec2::Vpc::new("this")
            .skip(&skips::FLOW_LOGS)
            .cidr_block(&options.cidr)
            .enable_dns_support(true)
            .enable_dns_hostnames(true)
            .tags(map([("Name", Expr::from(&inputs.name))])),
    );
    let vpc_id = vpc.first(|vpc| vpc.id());
    m.add_if(
        &create,
        DefaultSecurityGroup::new("this")
            .why("Adopting the default group without rules empties it, so that nothing lands in an open group by accident.")
            .vpc_id(&vpc_id)
            .tags(named("-default-unused")),
    );
    let gateway = m.add_if(
        &create,
        InternetGateway::new("this")
            .vpc_id(&vpc_id)
            .tags(map([("Name", Expr::from(&inputs.name))])),
    );
    let table = m.add_if(&create, RouteTable::new("public").vpc_id(&vpc_id).tags(named("-public")));
    let table_id = table.first(|table| table.id());
    m.add_if(
        &create,
        Route::new("internet")
            .route_table_id(&table_id)
            .destination_cidr_block("0.0.0.0/0")
            .gateway_id(gateway.first(|gateway| gateway.id())),
    );
    let ranges = m.local_because(
        "subnet_ranges",
        "A sixteenth of the VPC's range for each zone.",
        inputs.availability_zones.to_map_if(
            ("index", "zone"),
            |index, zone| (zone, func::cidr_subnet(&options.cidr, 4, index)),
            &create,
        ),
    );
    let subnets = m.add_each(&ranges, |each| {
        Subnet::new("public")
            .why("A task asks for its public address itself; nothing else started here gets one unasked.")
            .vpc_id(&vpc_id)
            .availability_zone(&each.key)
            .cidr_block(&each.value)
            .map_public_ip_on_launch(false)
            .tags(map([("Name", text![&inputs.name, "-public-", &each.key])]))
    });
    m.add_each(&ranges, |each| {
        RouteTableAssociation::new("public")
            .subnet_id(subnets.at(&each.key, |subnet| subnet.id()))
            .route_table_id(&table_id)
    });
    let public = Public { create: create.clone(), vpc_id: vpc_id.clone(), gateway, subnets };
    let private = private::subnets(m, inputs, &public);

    m.file("endpoints.tf");
    m.banner("Gateway endpoints are free, and image layers (S3) then cost no transfer.");
    let tables = func::concat(vec![table_id], private.route_table_ids);
    for service in ["s3", "dynamodb"] {
        m.add_if(
            &create,
            VpcEndpoint::new(service)
                .vpc_id(&vpc_id)
                .service_name(text!["com.amazonaws.", &inputs.region, ".", service])
                .vpc_endpoint_type("Gateway")
                .route_table_ids(tables.clone())
                .tags(named(&format!("-{service}"))),
        );
    }
    let public_ids = public.subnets.values(|subnet| subnet.id());
    Network {
        create,
        vpc,
        gateways: private.gateways,
        subnet_ids: private.there.choose(private.subnet_ids, public_ids),
    }
}
