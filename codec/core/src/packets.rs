//! Captured packets: the twins of `scan_pcap_in_python`, `follow_pcap_in_python` and their like for pcapng in
//! `ftwire.pcap`, to the same results.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

/// Header lengths without options.
const IPV4: usize = 20;
const IPV6: usize = 40;
const TCP: usize = 20;
const PROTOCOL_TCP: u8 = 6;
/// FIN, SYN, RST and ACK, of which only ACK is set in most segments.
const CONTROL: u8 = 0x17;
const ONLY_ACK: u8 = 0x10;

/// Return the packets of a pcap file from offset `at` on, and where the first incomplete or too large one starts.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn scan_pcap<'py>(
    data: &Bound<'py, PyBytes>,
    at: usize,
    order: &str,
    unit_ns: u64,
    header: usize,
    largest: usize,
    interface: &Bound<'py, PyAny>,
    segments: bool,
) -> PyResult<(Bound<'py, PyList>, usize)> {
    let whole = data.as_bytes();
    let word = word_of(order);
    let link_type = interface.getattr("link_type")?.extract()?;
    let mut packets = Packets::new(data.py(), segments);
    let mut at = at;
    while let Some(record) = whole.get(at..).filter(|rest| header >= 16 && rest.len() >= header) {
        let captured = word(record, 8) as usize;
        let Some(packet) = record[header..].get(..captured).filter(|_| captured <= largest) else { break };
        let time = u64::from(word(record, 0)) * 1_000_000_000 + u64::from(word(record, 4)) * unit_ns;
        packets.add(i128::from(time), packet, word(record, 12), link_type, interface)?;
        at += header + captured;
    }
    Ok((packets.list, at))
}

/// Return the packets of a pcapng file from offset `at` on, and where the first block starts that is no complete
/// enhanced packet block of an interface that was described.
#[pyfunction]
pub fn scan_pcapng<'py>(
    data: &Bound<'py, PyBytes>,
    at: usize,
    order: &str,
    largest: usize,
    interfaces: &Bound<'py, PyList>,
    clocks: &Bound<'py, PyList>,
    segments: bool,
) -> PyResult<(Bound<'py, PyList>, usize)> {
    let whole = data.as_bytes();
    let word = word_of(order);
    let mut packets = Packets::new(data.py(), segments);
    let mut present: Option<(u32, u32, Bound<'py, PyAny>, Clock)> = None;
    let mut at = at;
    while let Some(block) = packet_block(whole, at, word, largest) {
        let (index, captured) = (word(block, 8), word(block, 20) as usize);
        if present.as_ref().is_none_or(|present| present.0 != index) {
            let Ok(interface) = interfaces.get_item(index as usize) else { break };
            let clock = clocks.get_item(index as usize)?.extract()?;
            present = Some((index, interface.getattr("link_type")?.extract()?, interface, clock));
        }
        let Some((_, link_type, interface, clock)) = &present else { break };
        let time = time_of(block, word, clock);
        packets.add(time, &block[28..28 + captured], word(block, 24), *link_type, interface)?;
        at += block.len();
    }
    Ok((packets.list, at))
}

/// The times of the packets that were followed: the first, and the latest, between which all others lie.
struct Followed {
    first: Option<i128>,
    latest: i128,
    until: i128,
}

impl Followed {
    /// Take the time of the next packet; `false` where it is before the latest or after the end. 0 is no time.
    fn takes(&mut self, time: i128) -> bool {
        if time != 0 {
            if time < self.latest || time > self.until {
                return false;
            }
            self.first.get_or_insert(time);
            self.latest = time;
        }
        true
    }
}

/// Return the first and the latest time of the packets of a pcap file that follow each other in time, and where the
/// first other one starts: earlier than the one before, later than `until`, incomplete or too large.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn follow_pcap(
    data: &Bound<'_, PyBytes>,
    at: usize,
    order: &str,
    unit_ns: u64,
    header: usize,
    largest: usize,
    latest: i128,
    until: i128,
) -> (Option<i128>, i128, usize) {
    let whole = data.as_bytes();
    let word = word_of(order);
    let mut times = Followed { first: None, latest, until };
    let mut at = at;
    while let Some(record) = whole.get(at..).filter(|rest| header >= 16 && rest.len() >= header) {
        let captured = word(record, 8) as usize;
        if captured > largest || record.len() - header < captured {
            break;
        }
        let time = u64::from(word(record, 0)) * 1_000_000_000 + u64::from(word(record, 4)) * unit_ns;
        if !times.takes(i128::from(time)) {
            break;
        }
        at += header + captured;
    }
    (times.first, times.latest, at)
}

/// The same of a pcapng file; other blocks than enhanced packets end it, too.
#[pyfunction]
pub fn follow_pcapng(
    data: &Bound<'_, PyBytes>,
    at: usize,
    order: &str,
    largest: usize,
    clocks: &Bound<'_, PyList>,
    latest: i128,
    until: i128,
) -> PyResult<(Option<i128>, i128, usize)> {
    let whole = data.as_bytes();
    let word = word_of(order);
    let mut times = Followed { first: None, latest, until };
    let mut present: Option<(u32, Clock)> = None;
    let mut at = at;
    while let Some(block) = packet_block(whole, at, word, largest) {
        let index = word(block, 8);
        if present.as_ref().is_none_or(|present| present.0 != index) {
            let Ok(clock) = clocks.get_item(index as usize) else { break };
            present = Some((index, clock.extract()?));
        }
        let Some((_, clock)) = &present else { break };
        if !times.takes(time_of(block, word, clock)) {
            break;
        }
        at += block.len();
    }
    Ok((times.first, times.latest, at))
}

/// The complete enhanced packet block at an offset, if there is one whose lengths agree with each other.
fn packet_block(whole: &[u8], at: usize, word: Word, largest: usize) -> Option<&[u8]> {
    const ENHANCED_PACKET: u32 = 6;
    /// Bytes of a block around its packet: eight words, one of them behind it.
    const AROUND: usize = 32;
    let block = whole.get(at..).filter(|rest| rest.len() >= AROUND)?;
    let (length, captured) = (word(block, 4) as usize, word(block, 20) as usize);
    let is_packet = word(block, 0) == ENHANCED_PACKET && length % 4 == 0 && length <= largest;
    let block = block.get(..length).filter(|_| is_packet && length >= AROUND && captured <= length - AROUND)?;
    (word(block, length - 4) as usize == length).then_some(block)
}

/// The time of an enhanced packet block in nanoseconds.
fn time_of(block: &[u8], word: Word, (multiplier, divisor, offset_ns): &Clock) -> i128 {
    // 64 bits times at most a thousand million: less than 2**94.
    let units = u128::from(u64::from(word(block, 12)) << 32 | u64::from(word(block, 16)));
    (units * u128::from(*multiplier) / divisor) as i128 + offset_ns
}

/// How the times of an interface become nanoseconds: multiplied, divided, then added to.
type Clock = (u32, u128, i128);

/// A plain segment in its packet.
struct Segment<'a> {
    addresses: &'a [u8],
    tcp: &'a [u8],
    payload: &'a [u8],
}

/// A list of packets: plain ones as segments, if the caller wants segments.
struct Packets<'py> {
    list: Bound<'py, PyList>,
    segments: bool,
    /// Keys of the last two directions: most segments are of one of them.
    keys: [Option<Bound<'py, PyBytes>>; 2],
}

impl<'py> Packets<'py> {
    fn new(py: Python<'py>, segments: bool) -> Self {
        Packets { list: PyList::empty(py), segments, keys: [None, None] }
    }

    fn add(
        &mut self,
        time: i128,
        packet: &[u8],
        original: u32,
        link_type: u32,
        interface: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        let py = self.list.py();
        // Any plausible time fits 64 bits, which become a Python integer faster than 128 do.
        let time = match u64::try_from(time) {
            Ok(time) => time.into_pyobject(py)?,
            Err(_) => time.into_pyobject(py)?,
        };
        let Some(segment) = segment(link_type, packet).filter(|_| self.segments) else {
            return self.list.append((time, PyBytes::new(py, packet), original, interface));
        };
        let (seq, ack) = (u32_big(segment.tcp, 4), u32_big(segment.tcp, 8));
        let key = self.key(&segment);
        self.list.append((time, key, seq, ack, PyBytes::new(py, segment.payload)))
    }

    /// Addresses and ports of a segment.
    fn key(&mut self, segment: &Segment<'_>) -> Bound<'py, PyBytes> {
        let ports = &segment.tcp[..4];
        for key in self.keys.iter().flatten() {
            if key.as_bytes().strip_prefix(segment.addresses) == Some(ports) {
                return key.clone();
            }
        }
        let key = PyBytes::new(self.list.py(), &[segment.addresses, ports].concat());
        self.keys.swap(0, 1);
        self.keys[0] = Some(key.clone());
        key
    }
}

/// The segment of a packet: `None` where anything about it is uncommon.
fn segment(link_type: u32, packet: &[u8]) -> Option<Segment<'_>> {
    let (version, network) = match link_type {
        1 => (ethertype(packet, 12)?, packet.get(14..)?),
        113 => (ethertype(packet, 14)?, packet.get(16..)?),
        276 => (ethertype(packet, 0)?, packet.get(20..)?),
        0 if packet.starts_with(&[2, 0, 0, 0]) || packet.starts_with(&[0, 0, 0, 2]) => (4, &packet[4..]),
        108 if packet.starts_with(&[0, 0, 0, 2]) => (4, &packet[4..]),
        12 | 14 | 101 => (packet.first()? >> 4, packet),
        228 => (4, packet),
        229 => (6, packet),
        _ => return None,
    };
    let (addresses, rest) = if version == 4 { over_ipv4(network)? } else { over_ipv6(network)? };
    let (tcp, _) = rest.split_at_checked(TCP)?;
    let payload = rest.get(usize::from(tcp[12] >> 4) * 4..)?;
    let is_plain = tcp[13] & CONTROL == ONLY_ACK && tcp[12] >> 4 >= 5;
    is_plain.then_some(Segment { addresses, tcp, payload })
}

fn ethertype(packet: &[u8], at: usize) -> Option<u8> {
    match packet.get(at..at + 2)? {
        [0x08, 0x00] => Some(4),
        [0x86, 0xdd] => Some(6),
        _ => None,
    }
}

/// Addresses, and payload cut to the length that the header states; `None` for options and fragments.
fn over_ipv4(network: &[u8]) -> Option<(&[u8], &[u8])> {
    let header = network.get(..IPV4)?;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let is_plain = header[0] == 0x45 && header[9] == PROTOCOL_TCP && header[6] & 0xbf == 0 && header[7] == 0;
    let payload = network.get(IPV4..total)?;
    is_plain.then_some((&header[12..20], payload))
}

/// The same; `None` for extension headers. A jumbogram states a length of 0, which no TCP header fits into.
fn over_ipv6(network: &[u8]) -> Option<(&[u8], &[u8])> {
    let header = network.get(..IPV6)?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let is_plain = header[0] >> 4 == 6 && header[6] == PROTOCOL_TCP;
    let payload = network.get(IPV6..IPV6 + length)?;
    is_plain.then_some((&header[8..40], payload))
}

/// How four bytes at an offset become a number.
type Word = fn(&[u8], usize) -> u32;

fn word_of(order: &str) -> Word {
    if order == "<" {
        u32_little
    } else {
        u32_big
    }
}

fn u32_little(data: &[u8], at: usize) -> u32 {
    u32_big(data, at).swap_bytes()
}

fn u32_big(data: &[u8], at: usize) -> u32 {
    data[at..at + 4].iter().fold(0, |value, &byte| value << 8 | u32::from(byte))
}
