//! Captured packets taken apart: what `ftwire.pcap.pcapfile` and the fast path of `ftwire.pcap.dissect` do with
//! records that are whole and hold a plain TCP segment over IPv4 or IPv6.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PySet};

/// Header lengths without options.
const IPV4: usize = 20;
const IPV6: usize = 40;
const TCP: usize = 20;
const PROTOCOL_TCP: u8 = 6;
/// FIN, SYN, RST and ACK, of which only ACK is set in most segments.
const CONTROL: u8 = 0x17;
const ONLY_ACK: u8 = 0x10;

/// A plain segment in its packet: where key, numbers and payload are.
struct Segment<'a> {
    addresses: &'a [u8],
    tcp: &'a [u8],
    payload: &'a [u8],
    /// Bytes of its IP packet.
    size: usize,
}

/// Append the records of a pcap file that are whole and at most `largest` bytes, from offset `at` on; return where
/// the first that is not so starts. A plain segment comes as a tuple of time, key of its direction, sequence and
/// acknowledgement number, bytes of its IP packet, and payload; where it has no payload, without that and the sequence
/// number; what is anything else as the record it is.
///
/// `order` is `<` or `>`, `unit` nanoseconds in one of the fraction, `header` the bytes before each packet. Segments
/// whose key is in `known` are counted instead: in a set, a run of them comes as a tuple of the last one's time and
/// how many they are; in a dict, the bytes of their IP packets are added to what is there.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn scan_pcap<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyBytes>,
    at: usize,
    order: &str,
    unit: u64,
    header: usize,
    largest: usize,
    link_type: u32,
    interface: &Bound<'py, PyAny>,
    records: &Bound<'py, PyList>,
    known: Option<&Bound<'py, PyAny>>,
) -> PyResult<usize> {
    let whole = data.as_bytes();
    let word = word_of(order);
    let mut slicer = Slicer::new(py, records, known)?;
    let mut at = at;
    while let Some(record) = whole.get(at..).filter(|rest| header >= 16 && rest.len() >= header) {
        let captured = word(record, 8) as usize;
        let Some(packet) = record[header..].get(..captured).filter(|_| captured <= largest) else { break };
        let time = u64::from(word(record, 0)) * 1_000_000_000 + u64::from(word(record, 4)) * unit;
        slicer.take(time, packet, at + header, word(record, 12), link_type, interface)?;
        at += header + captured;
    }
    slicer.finish()?;
    Ok(at)
}

/// The same for the blocks of a pcapng file, as long as they are enhanced packet blocks of an interface that was
/// described. `clocks` say of each interface by what to multiply and divide its times, and what to add.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn scan_pcapng<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyBytes>,
    at: usize,
    order: &str,
    largest: usize,
    interfaces: &Bound<'py, PyList>,
    clocks: &Bound<'py, PyList>,
    records: &Bound<'py, PyList>,
    known: Option<&Bound<'py, PyAny>>,
) -> PyResult<usize> {
    const ENHANCED_PACKET: u32 = 6;
    /// Bytes of a block around its packet: eight words, of which one is behind it.
    const AROUND: usize = 32;
    let whole = data.as_bytes();
    let word = word_of(order);
    let mut slicer = Slicer::new(py, records, known)?;
    let mut present: Option<(u32, u32, Bound<'py, PyAny>, Clock)> = None;
    let mut at = at;
    while let Some(block) = whole.get(at..).filter(|rest| rest.len() >= AROUND) {
        let (length, index, captured) = (word(block, 4) as usize, word(block, 8), word(block, 20) as usize);
        let is_plain = word(block, 0) == ENHANCED_PACKET && length % 4 == 0 && length <= largest;
        let Some(block) = block.get(..length).filter(|_| is_plain && length >= AROUND && captured <= length - AROUND)
        else {
            break;
        };
        if word(block, length - 4) as usize != length {
            break;
        }
        if present.as_ref().is_none_or(|present| present.0 != index) {
            let (Ok(interface), Ok(clock)) = (interfaces.get_item(index as usize), clocks.get_item(index as usize))
            else {
                break;
            };
            let Ok(clock) = clock.extract::<Clock>() else { break };
            present = Some((index, interface.getattr("link_type")?.extract()?, interface, clock));
        }
        let Some((_, link_type, interface, clock)) = &present else { break };
        let Some(time) = nanoseconds(word(block, 12), word(block, 16), *clock) else { break };
        slicer.take(time, &block[28..28 + captured], at + 28, word(block, 24), *link_type, interface)?;
        at += length;
    }
    slicer.finish()?;
    Ok(at)
}

type Clock = (u64, u64, i64);

/// A time in nanoseconds; `None` where it is not between 1970 and 2554.
fn nanoseconds(high: u32, low: u32, (multiplier, divisor, offset): Clock) -> Option<u64> {
    let units = u128::from(u64::from(high) << 32 | u64::from(low));
    let time = (units * u128::from(multiplier)).checked_div(u128::from(divisor))?;
    i128::try_from(time).ok()?.checked_add(i128::from(offset))?.try_into().ok()
}

/// What is done with segments of directions that are known.
enum Known<'a, 'py> {
    Nothing,
    Skipped(&'a Bound<'py, PySet>),
    Weighed(&'a Bound<'py, PyDict>),
}

/// A direction that segments were met of.
struct Direction<'py> {
    key: Bound<'py, PyBytes>,
    is_known: bool,
    /// Bytes of IP packets that are still to be added up.
    weight: usize,
}

/// Puts packets behind each other into a list, sliced where they are plain.
struct Slicer<'a, 'py> {
    py: Python<'py>,
    records: &'a Bound<'py, PyList>,
    known: Known<'a, 'py>,
    /// The last two: most segments are of one of them.
    directions: [Option<Direction<'py>>; 2],
    /// The last segment's time, and how many were skipped since anything was put into the list.
    skipped: (u64, usize),
}

impl<'a, 'py> Slicer<'a, 'py> {
    fn new(py: Python<'py>, records: &'a Bound<'py, PyList>, known: Option<&'a Bound<'py, PyAny>>) -> PyResult<Self> {
        let known = match known {
            None => Known::Nothing,
            Some(known) => match known.cast::<PySet>() {
                Ok(set) => Known::Skipped(set),
                Err(_) => Known::Weighed(known.cast()?),
            },
        };
        Ok(Slicer { py, records, known, directions: [None, None], skipped: (0, 0) })
    }

    fn take(
        &mut self,
        time: u64,
        packet: &[u8],
        start: usize,
        original: u32,
        link_type: u32,
        interface: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        let Some(segment) = segment(link_type, packet) else {
            self.finish()?;
            return self.records.append((time, start, packet.len(), original, interface));
        };
        let at = self.direction(&segment)?;
        if let Some(direction) = self.directions[at].as_mut().filter(|direction| direction.is_known) {
            direction.weight += segment.size;
            self.skipped = (time, self.skipped.1 + 1);
            return Ok(());
        }
        if self.skipped.1 > 0 {
            self.put_skipped()?;
        }
        let key = self.directions[at].as_ref().map(|direction| direction.key.clone());
        let (seq, ack) = (u32_big(segment.tcp, 4), u32_big(segment.tcp, 8));
        if segment.payload.is_empty() {
            return self.records.append((time, key, ack, segment.size));
        }
        self.records.append((time, key, seq, ack, segment.size, PyBytes::new(self.py, segment.payload)))
    }

    /// Which of the two directions a segment is of; it is put there.
    fn direction(&mut self, segment: &Segment<'_>) -> PyResult<usize> {
        let ports = &segment.tcp[..4];
        let is_same = |known: &Option<Direction<'py>>| {
            known.as_ref().is_some_and(|known| known.key.as_bytes().strip_prefix(segment.addresses) == Some(ports))
        };
        if let Some(at) = self.directions.iter().position(is_same) {
            return Ok(at);
        }
        let key = PyBytes::new(self.py, &[segment.addresses, ports].concat());
        let is_known = match self.known {
            Known::Nothing => false,
            Known::Skipped(set) => set.contains(&key)?,
            Known::Weighed(weights) => weights.contains(&key)?,
        };
        self.weigh(1)?;
        self.directions.swap(0, 1);
        self.directions[0] = Some(Direction { key, is_known, weight: 0 });
        Ok(0)
    }

    /// Say what was skipped so far, and what it weighs.
    fn finish(&mut self) -> PyResult<()> {
        self.weigh(0)?;
        self.weigh(1)?;
        self.put_skipped()
    }

    fn put_skipped(&mut self) -> PyResult<()> {
        let (time, count) = std::mem::take(&mut self.skipped);
        match self.known {
            Known::Skipped(_) if count > 0 => self.records.append((time, count)),
            _ => Ok(()),
        }
    }

    fn weigh(&mut self, at: usize) -> PyResult<()> {
        let (Known::Weighed(weights), Some(direction)) = (&self.known, &mut self.directions[at]) else {
            return Ok(());
        };
        let weight = std::mem::take(&mut direction.weight);
        if weight > 0 {
            let before: usize = weights.get_item(&direction.key)?.map_or(Ok(0), |found| found.extract())?;
            weights.set_item(&direction.key, before + weight)?;
        }
        Ok(())
    }
}

/// The segment of a packet: `None` where there is anything uncommon about it.
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
    let (addresses, rest, header) = if version == 4 { over_ipv4(network)? } else { over_ipv6(network)? };
    let (tcp, _) = rest.split_at_checked(TCP)?;
    let payload = rest.get(usize::from(tcp[12] >> 4) * 4..)?;
    let is_plain = tcp[13] & CONTROL == ONLY_ACK && tcp[12] >> 4 >= 5;
    is_plain.then_some(Segment { addresses, tcp, payload, size: header + rest.len() })
}

fn ethertype(packet: &[u8], at: usize) -> Option<u8> {
    match packet.get(at..at + 2)? {
        [0x08, 0x00] => Some(4),
        [0x86, 0xdd] => Some(6),
        _ => None,
    }
}

/// Addresses, payload, and bytes in front of it, cut to the length that the header states: no options, no fragment.
fn over_ipv4(network: &[u8]) -> Option<(&[u8], &[u8], usize)> {
    let header = network.get(..IPV4)?;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let is_plain = header[0] == 0x45 && header[9] == PROTOCOL_TCP && header[6] & 0xbf == 0 && header[7] == 0;
    let payload = network.get(IPV4..total)?;
    is_plain.then_some((&header[12..20], payload, IPV4))
}

/// The same: no extension headers. A jumbogram states a length of 0, in which there is no TCP header.
fn over_ipv6(network: &[u8]) -> Option<(&[u8], &[u8], usize)> {
    let header = network.get(..IPV6)?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let is_plain = header[0] >> 4 == 6 && header[6] == PROTOCOL_TCP;
    let payload = network.get(IPV6..IPV6 + length)?;
    is_plain.then_some((&header[8..40], payload, IPV6))
}

fn word_of(order: &str) -> fn(&[u8], usize) -> u32 {
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
