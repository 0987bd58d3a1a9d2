//! A network of its own: loopback, and an address that is not.
//!
//! Servers look for a local address by asking the kernel for the route to some far one, and
//! find none where there is only `lo`. So there are two ends of a virtual cable (`veth(4)`), one of
//! them with an address of the range for benchmarks (RFC 2544), and a default route through it.
//! Nothing answers at its other end, and who asks is told so at once.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::net::{
    AddressFamily as Family, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;

/// The sandbox's address that is not loopback.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const PREFIX: u8 = 15;

/// The index of `lo`: the first device of any namespace.
const LOOPBACK: u32 = 1;

/// The two ends of the cable.
const ENDS: [&str; 2] = ["dyno0", "dyno1"];

/// An answer is a few dozen bytes, and the request that it repeats.
const LONGEST_ANSWER: usize = 4096;

/// What could not be done, and what the kernel said.
pub(super) type Failed = (&'static str, io::Error);

/// Names what was being done when a system call failed.
pub(super) fn doing<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Failed {
    move |error| (what, error.into())
}

/// Sets up the devices of a network namespace that has just been made.
pub(super) fn set_up() -> Result<(), Failed> {
    let mut kernel = Kernel::open().map_err(doing("open a netlink socket"))?;
    let started = kernel.up(LOOPBACK);
    started.map_err(doing("start the loopback device"))?;
    kernel.lay_cable().map_err(doing("make a veth pair"))?;
    let near = index(ENDS[0]).map_err(doing("find a veth device"))?;
    let far = index(ENDS[1]).map_err(doing("find a veth device"))?;
    tell_at_once(ENDS[0]);
    let addressed = kernel.give_address(near);
    addressed.map_err(doing("give a device an address"))?;
    kernel.up(near).map_err(doing("start a veth device"))?;
    kernel.up(far).map_err(doing("start a veth device"))?;
    kernel.route_all(near).map_err(doing("set a default route"))
}

fn index(device: &str) -> io::Result<u32> {
    let text = fs::read_to_string(format!("/sys/class/net/{device}/ifindex"));
    if let Ok(Ok(index)) = text.map(|text| text.trim().parse()) {
        return Ok(index);
    }
    // `/sys` shows the network that it was mounted in.
    let socket = socket_with(Family::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    Ok(rustix::net::netdevice::name_to_index(socket, device)?)
}

/// Nobody has the addresses behind the cable, and a connection to one is to fail after a tenth of
/// a second instead of three (`arp(7)`). Where `/proc/sys` cannot be written it takes three.
fn tell_at_once(device: &str) {
    for (name, value) in [("mcast_solicit", "1"), ("retrans_time_ms", "100")] {
        let _ = fs::write(format!("/proc/sys/net/ipv4/neigh/{device}/{name}"), value);
    }
}

/// A conversation by `rtnetlink(7)`.
struct Kernel {
    socket: OwnedFd,
    sequence: u32,
}

impl Kernel {
    fn open() -> io::Result<Self> {
        // No protocol is NETLINK_ROUTE, the first of them.
        let socket = socket_with(Family::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    fn up(&mut self, index: u32) -> io::Result<()> {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.header.flags = LinkFlags::Up;
        link.header.change_mask = LinkFlags::Up;
        self.ask(RouteNetlinkMessage::SetLink(link), 0)
    }

    fn lay_cable(&mut self) -> io::Result<()> {
        let [near, far] = ENDS.map(|name| {
            let mut link = LinkMessage::default();
            link.attributes.push(LinkAttribute::IfName(name.to_owned()));
            link
        });
        let mut link = near;
        link.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(far))),
        ]));
        self.add(RouteNetlinkMessage::NewLink(link))
    }

    fn give_address(&mut self, index: u32) -> io::Result<()> {
        let mut address = AddressMessage::default();
        address.header.family = AddressFamily::Inet;
        address.header.prefix_len = PREFIX;
        address.header.index = index;
        address
            .attributes
            .push(AddressAttribute::Local(IpAddr::V4(ADDRESS)));
        address
            .attributes
            .push(AddressAttribute::Address(IpAddr::V4(ADDRESS)));
        self.add(RouteNetlinkMessage::NewAddress(address))
    }

    fn route_all(&mut self, index: u32) -> io::Result<()> {
        let mut route = RouteMessage::default();
        route.header.address_family = AddressFamily::Inet;
        route.header.table = RouteHeader::RT_TABLE_MAIN;
        route.header.protocol = RouteProtocol::Boot;
        route.header.scope = RouteScope::Link;
        route.header.kind = RouteType::Unicast;
        route.attributes.push(RouteAttribute::Oif(index));
        self.add(RouteNetlinkMessage::NewRoute(route))
    }

    /// Asks for something that is not there yet.
    fn add(&mut self, request: RouteNetlinkMessage) -> io::Result<()> {
        self.ask(request, NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Sends a request and waits for the kernel's answer, which for these is one message.
    fn ask(&mut self, request: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        let mut message = NetlinkMessage::from(request);
        self.sequence += 1;
        message.header.sequence_number = self.sequence;
        message.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        send(&self.socket, &bytes, SendFlags::empty())?;
        let mut answer = [0; LONGEST_ANSWER];
        let (length, _) = recv(&self.socket, &mut answer[..], RecvFlags::empty())?;
        let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer[..length])
            .map_err(io::Error::other)?;
        match answer.payload {
            NetlinkPayload::Error(error) if error.code.is_none() => Ok(()),
            NetlinkPayload::Error(error) => Err(error.to_io()),
            other => Err(io::Error::other(format!("not an answer: {other:?}"))),
        }
    }
}
