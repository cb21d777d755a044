"""Puts the network of ralph.toml that Terraform does not make into the local cloud.

With `mode = "existing"` or `"default"` an environment runs in a VPC that the account already has.
The local cloud is empty, so the generated HCL finds no such VPC. This makes one with the same ids.

This reaches into MiniStack, and was written for its version 1.5.33: its API, like AWS's, lets
nobody choose an id, and its default VPC has subnets in three zones only.
"""

from unittest.mock import patch

from ministack.core.responses import get_account_id, request_scope
from ministack.services import ec2


def seed(description):
    """Makes the network. Call it once, before the server serves; a loaded snapshot has it already.

    `description` is what the module vpc gets:
    - `zones`: full names of the environment's zones, such as eu-west-1a;
    - `vpc_id`: the VPC in mode existing; without it the mode is default;
    - `subnet_ids`: the subnets in mode existing, which get the zones in turn.
    """
    zones = description["zones"]
    vpc_id = description.get("vpc_id")
    region = zones[0][:-1]
    with request_scope(get_account_id(), region):
        if vpc_id:
            _make_vpc(vpc_id, description["subnet_ids"], zones)
        else:
            _complete_default_vpc(zones)


def _make_vpc(vpc_id, subnet_ids, zones):
    with patch.object(ec2, "_new_vpc_id", return_value=vpc_id):
        ec2._create_vpc({"CidrBlock": ["10.0.0.0/16"]})
    for number, subnet_id in enumerate(subnet_ids):
        _make_subnet(subnet_id, vpc_id, f"10.0.{number}.0/24", zones[number % len(zones)])


def _complete_default_vpc(zones):
    """Gives the default VPC a subnet in each zone, as an account's own has."""
    ec2._ensure_defaults_initialized()
    taken = {subnet["AvailabilityZone"] for subnet in ec2._subnets.values()}
    for zone in zones:
        if zone not in taken:
            number = ord(zone[-1]) - ord("a")
            subnet_id = f"subnet-{number + 1:08x}"
            _make_subnet(subnet_id, ec2._DEFAULT_VPC_ID, f"172.31.{16 * number}.0/20", zone)


def _make_subnet(subnet_id, vpc_id, cidr, zone):
    with patch.object(ec2, "_new_subnet_id", return_value=subnet_id):
        ec2._create_subnet({"VpcId": [vpc_id], "CidrBlock": [cidr], "AvailabilityZone": [zone]})
