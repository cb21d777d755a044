//! Interface endpoints: AWS's services without leaving AWS.

use super::own::Network;
use super::{Inputs, This, Vpc};
use crate::aws::ec2::{IngressRule, SecurityGroup, SecurityGroupRef, VpcEndpoint};
use crate::hcl::prelude::*;
use crate::skips;

pub(super) fn interface(
    m: &mut This,
    inputs: &Inputs,
    own: &Network,
    worker: &SecurityGroupRef<Vpc>,
) {
    m.file("endpoints.tf");
    let wanted =
        m.local("interface_endpoints", own.create.choose(&inputs.interface_endpoints, Vec::new()));
    let any = func::length(&wanted).greater(0);
    let vpc_id = own.vpc.first(|vpc| vpc.id());
    let group = m.add_if(
        &any,
        SecurityGroup::new("endpoints")
            .skip(&[&skips::GROUP_OF_TASKS])
            .name(text![&inputs.name, "-endpoints"])
            .description("Interface endpoints: TLS from tasks")
            .vpc_id(&vpc_id)
            .tags(map([("Name", text![&inputs.name, "-endpoints"])]))
            .create_before_destroy(),
    );
    m.add_if(
        &any,
        IngressRule::new("endpoints_tls")
            .security_group_id(group.first(|group| group.id()))
            .description("TLS from tasks")
            .ip_protocol("tcp")
            .from_port(443)
            .to_port(443)
            .referenced_security_group_id(worker.id()),
    );
    m.add_each(&func::to_set(&wanted), |each| {
        VpcEndpoint::new("interface")
            .why("Each costs about 7 dollars a month in each zone, used or not.")
            .vpc_id(&vpc_id)
            .service_name(text!["com.amazonaws.", &inputs.region, ".", &each.key])
            .vpc_endpoint_type("Interface")
            .subnet_ids(own.subnet_ids.clone())
            .security_group_ids([group.first(|group| group.id())])
            .private_dns_enabled(true)
            .tags(map([("Name", text![&inputs.name, "-", &each.key])]))
    });
}
