//! The network of the tasks: their own VPC, the account's default one, or one that is given.
//!
//! No NAT and nothing private: a task has a public address while it runs, accepts no connection
//! and opens only TLS ones. That costs nothing while no task runs.

use crate::aws::ec2::{
    self, DefaultSecurityGroup, EgressRule, Filter, InternetGateway, Route, RouteTable,
    RouteTableAssociation, SecurityGroup, Subnet, SubnetsData, VpcData, VpcEndpoint,
};
use crate::hcl::prelude::*;
use crate::skips;

/// The module `vpc`.
pub struct Vpc;

/// The modes, as the variable `mode` spells them.
pub const MODES: [&str; 3] = ["create", "default", "existing"];

inputs! {
    /// What the module `vpc` is told.
    pub struct VpcInputs {
        /// Availability zones of the subnets; mode create makes one public subnet in each.
        availability_zones: List<Text>,
        /// Address range of the VPC in mode create.
        cidr: Text,
        /// Ids of the subnets to use in mode existing.
        existing_subnet_ids: List<SubnetId>,
        /// Id of the VPC to use in mode existing.
        existing_vpc_id: Opt<VpcId>,
        /// Where the network comes from: create makes one, default takes the account's default VPC, existing takes the one that is named.
        mode: Text,
        /// What names begin with.
        name: Text,
        /// Region of the VPC.
        region: Text,
    }
}

outputs! {
    /// What the module `vpc` tells.
    pub struct VpcOutputs {
        /// Subnets for tasks.
        subnet_ids: List<SubnetId>,
        /// Security group for tasks: nothing in, TLS out.
        worker_security_group_id: SecurityGroupId,
    }
}

impl Published for Vpc {
    fn example() -> VpcInputs<Constant> {
        VpcInputs {
            availability_zones: ["us-east-1a", "us-east-1b"].into(),
            cidr: "10.20.0.0/16".into(),
            existing_subnet_ids: empty(),
            existing_vpc_id: Expr::null(),
            mode: "create".into(),
            name: "ralph-example".into(),
            region: "us-east-1".into(),
        }
    }
}

impl Definition for Vpc {
    const NAME: &'static str = "vpc";
    const ABOUT: &'static str = "The network of the tasks.";
    type Inputs<M> = VpcInputs<M>;
    type Outputs<M> = VpcOutputs<M>;

    fn build(m: &mut Module<Self>, inputs: VpcInputs<Self>) -> VpcOutputs<Self> {
        let modes: Expr<Self, List<Text>> = MODES.into();
        m.validate(
            &inputs.mode,
            &func::contains(modes, &inputs.mode),
            "The mode is create, default or existing.",
            "shared",
        );
        m.validate(
            &inputs.availability_zones,
            &func::length(&inputs.availability_zones).at_least(2),
            "At least two availability zones: Spot capacity runs out in one at a time.",
            ["us-east-1a"],
        );
        let own = own_network(m, &inputs);
        let (default_vpc, default_subnets) = default_network(m, &inputs);
        let made = own.count.clone();

        let vpc_id = m.local(
            "vpc_id",
            func::first_set([own.vpc_id, default_vpc, inputs.existing_vpc_id.clone()]),
        );
        let existing = func::concat(default_subnets, &inputs.existing_subnet_ids);
        let subnet_ids = m.local("subnet_ids", func::concat(own.subnet_ids, existing));

        m.file("security.tf");
        let worker = m.add(
            SecurityGroup::new("worker")
                .name(text![&inputs.name, "-worker"])
                .description("Tasks: nothing in, TLS out")
                .vpc_id(&vpc_id)
                .tags(map([("Name", text![&inputs.name, "-worker"])]))
                .create_before_destroy(),
        );
        m.add(
            EgressRule::new("worker_tls")
                .why("Git hosts, the model's service and AWS itself have no fixed addresses.")
                .security_group_id(worker.id())
                .description("TLS to anywhere")
                .ip_protocol("tcp")
                .from_port(443)
                .to_port(443)
                .cidr_ipv4("0.0.0.0/0"),
        );
        m.case("creates", "Mode create makes one VPC, and a subnet in each zone.")
            .expect(&made.equals(1), "one VPC")
            .expect(&func::length(&subnet_ids).equals(2), "two subnets");
        m.case("takes_what_exists", "Mode existing makes no VPC and uses what it is given.")
            .with(&inputs.mode, "existing")
            .with(
                &inputs.existing_vpc_id,
                Expr::<Constant, VpcId>::from_configuration("vpc-11111111"),
            )
            .with(&inputs.existing_subnet_ids, vec![Expr::from_configuration("subnet-11111111")])
            .expect(&made.equals(0), "no VPC")
            .expect(
                &subnet_ids.at(0).equals(Expr::from_configuration("subnet-11111111")),
                "the subnet",
            );
        VpcOutputs { subnet_ids, worker_security_group_id: worker.id() }
    }
}

struct Network {
    count: Expr<Vpc, Number>,
    vpc_id: Expr<Vpc, Opt<VpcId>>,
    subnet_ids: Expr<Vpc, List<SubnetId>>,
}

/// Mode create: a VPC with a public subnet in each zone.
fn own_network(m: &mut Module<Vpc>, inputs: &VpcInputs<Vpc>) -> Network {
    let named = |suffix: &str| map([("Name", text![&inputs.name, suffix])]);
    let create = m.local("create", inputs.mode.equals("create"));
    let vpc = m.add_if(
        &create,
        ec2::Vpc::new("this")
            .skip(&skips::FLOW_LOGS)
            .cidr_block(&inputs.cidr)
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
            |index, zone| (zone, func::cidr_subnet(&inputs.cidr, 4, index)),
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
    m.banner("Gateway endpoints are free, and image layers (S3) then cost no transfer.");
    for service in ["s3", "dynamodb"] {
        m.add_if(
            &create,
            VpcEndpoint::new(service)
                .vpc_id(&vpc_id)
                .service_name(text!["com.amazonaws.", &inputs.region, ".", service])
                .vpc_endpoint_type("Gateway")
                .route_table_ids([table_id.clone()])
                .tags(named(&format!("-{service}"))),
        );
    }
    Network {
        count: vpc.count(),
        vpc_id: vpc.one(|vpc| vpc.id()),
        subnet_ids: subnets.values(|subnet| subnet.id()),
    }
}

/// Mode default: read, never changed.
fn default_network(
    m: &mut Module<Vpc>,
    inputs: &VpcInputs<Vpc>,
) -> (Expr<Vpc, Opt<VpcId>>, Expr<Vpc, List<SubnetId>>) {
    let default = m.local("use_default", inputs.mode.equals("default"));
    let vpc = m.add_if(&default, VpcData::new("default").default(true));
    let in_vpc = Filter::default().name("vpc-id").values([Expr::from(vpc.first(|vpc| vpc.id()))]);
    let in_zones = Filter::default().name("availability-zone").values(&inputs.availability_zones);
    let subnets = m.add_if(&default, SubnetsData::new("default").filter(in_vpc).filter(in_zones));
    let ids = func::flatten(subnets.all(|subnets| subnets.ids()));
    (vpc.one(|vpc| vpc.id()), ids)
}
