//! The PROXY protocol: who a connection's client is, said by the proxy that it came through.
//!
//! It decides whose connections must begin with a header and where the header ends; it reads no
//! socket. Source: <https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt>, versions 1 and 2.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use proxy_header::{Error, ParseConfig, Protocol, ProxyHeader};

use crate::grip::error::Side;

/// Longest header of version 2, with all that it says beside addresses.
pub const HEADER_MAX: usize = 2_048;

/// Longest header of version 1, with its line end.
const LINE_MAX: usize = 107;

const VERSION_1: &[u8] = b"PROXY ";
const VERSION_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Whose connections must begin with a header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Believed {
    /// Those from these networks.
    pub networks: Vec<IpNet>,
    /// Those by unix sockets.
    pub unix: bool,
}

impl Believed {
    /// Tells whether a connection must begin with a header; one by a unix socket has no address.
    pub fn must_say(&self, peer: Option<IpAddr>) -> bool {
        match peer {
            None => self.unix,
            Some(peer) => {
                let peer = peer.to_canonical();
                self.networks.iter().any(|network| network.contains(&peer))
            }
        }
    }

    /// Tells whether nobody's must.
    pub fn is_empty(&self) -> bool {
        !self.unix && self.networks.is_empty()
    }
}

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The beginning of a header.
    NeedMore,
    /// A header of so many bytes.
    Header {
        /// How many.
        len: usize,
        /// The client's address; none if the connection is the proxy's own, or it does not know.
        client: Option<SocketAddr>,
    },
    /// None.
    Refuse(ProxyHeaderError),
}

/// Says why a connection has no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyHeaderError {
    /// It begins with something else, or ends.
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    /// It begins with what cannot be read.
    #[error("the PROXY header is malformed")]
    Malformed,
    /// It does not end in time.
    #[error("the PROXY header is too long")]
    TooLong,
    /// It did not come in time.
    #[error("the PROXY header did not come in time")]
    Late,
}

impl ProxyHeaderError {
    /// Says whose fault it is: the proxy's, which is a client here.
    pub fn side(&self) -> Side {
        Side::Client
    }

    /// Names the cause in a stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "proxy-header-missing",
            Self::Malformed => "proxy-header-malformed",
            Self::TooLong => "proxy-header-too-long",
            Self::Late => "proxy-header-late",
        }
    }
}

/// Looks at the first bytes of a connection.
pub fn read(bytes: &[u8]) -> Verdict {
    let begins = |mark: &[u8]| {
        bytes
            .iter()
            .zip(mark)
            .all(|(found, wanted)| found == wanted)
    };
    let len = if begins(VERSION_2) {
        length_of_2(bytes)
    } else if begins(VERSION_1) {
        length_of_1(bytes)
    } else {
        Err(ProxyHeaderError::Missing)
    };
    match len {
        Err(error) => Verdict::Refuse(error),
        Ok(Some(len)) => match bytes.get(..len) {
            Some(header) => parse(header),
            None => Verdict::NeedMore,
        },
        Ok(None) => Verdict::NeedMore,
    }
}

fn length_of_1(bytes: &[u8]) -> Result<Option<usize>, ProxyHeaderError> {
    let line = bytes.get(..LINE_MAX).unwrap_or(bytes);
    match line.iter().position(|byte| *byte == b'\n') {
        Some(end) => Ok(Some(end + 1)),
        None if line.len() == LINE_MAX => Err(ProxyHeaderError::TooLong),
        None => Ok(None),
    }
}

fn length_of_2(bytes: &[u8]) -> Result<Option<usize>, ProxyHeaderError> {
    let Some(&[high, low]) = bytes.get(14..16) else {
        return Ok(None);
    };
    let len = 16 + usize::from(u16::from_be_bytes([high, low]));
    match len <= HEADER_MAX {
        true => Ok(Some(len)),
        false => Err(ProxyHeaderError::TooLong),
    }
}

fn parse(header: &[u8]) -> Verdict {
    let config = ParseConfig {
        include_tlvs: false,
        allow_v1: true,
        allow_v2: true,
    };
    let malformed = Verdict::Refuse(ProxyHeaderError::Malformed);
    let parsed: Result<_, Error> = ProxyHeader::parse(header, config);
    let Ok((parsed, _)) = parsed else {
        return malformed;
    };
    let client = match parsed.proxied_address() {
        None => None,
        Some(address) if address.protocol == Protocol::Stream => Some(address.source),
        Some(_) => return malformed,
    };
    let len = header.len();
    Verdict::Header { len, client }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [VERSION_2, &[command, family], &len, rest].concat()
    }

    const V4: &[u8] = &[192, 0, 2, 7, 10, 0, 0, 1, 0x1f, 0x90, 1, 187];

    fn client(text: &str) -> Option<SocketAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn both_versions_say_who_the_client_is() {
        let v6 = [
            [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
            [0; 16],
        ]
        .concat();
        let v6 = [&v6[..], &[0, 80, 0, 81]].concat();
        let unix = [b'/'; 216];
        for (header, expected) in [
            (
                b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 443\r\n".to_vec(),
                client("192.0.2.7:8080"),
            ),
            (
                b"PROXY TCP6 2001:db8::9 ::1 80 81\r\n".to_vec(),
                client("[2001:db8::9]:80"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ff:: ff:: 1 2\r\n".to_vec(), None),
            (of_2(0x21, 0x11, V4), client("192.0.2.7:8080")),
            (of_2(0x21, 0x21, &v6), client("[2001:db8::9]:80")),
            (
                of_2(0x21, 0x11, &[V4, &[4, 0, 2, 0, 0]].concat()),
                client("192.0.2.7:8080"),
            ),
            (of_2(0x20, 0x00, &[]), None),
            (of_2(0x20, 0x11, V4), None),
            (of_2(0x21, 0x00, &[]), None),
            (of_2(0x21, 0x31, &unix), None),
        ] {
            let len = header.len();
            for cut in 0..len {
                assert_eq!(
                    read(&header[..cut]),
                    Verdict::NeedMore,
                    "{cut} of {header:?}"
                );
            }
            let followed = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            for bytes in [&header, &followed] {
                let expected = Verdict::Header {
                    len,
                    client: expected,
                };
                assert_eq!(read(bytes), expected, "{}", header.escape_ascii());
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        use ProxyHeaderError::{Malformed, Missing, TooLong};
        for (bytes, error) in [
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Missing),
            (b"PROXX".to_vec(), Missing),
            (b"\r\n\r\nX".to_vec(), Missing),
            (
                b"PROXY TCP4 192.0.2.7 10.0.0.1 8080\r\n".to_vec(),
                Malformed,
            ),
            (b"PROXY TCP4 2001:db8::9 ::1 80 81\r\n".to_vec(), Malformed),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 80 81\n".to_vec(), Malformed),
            (
                b"PROXY UDP4 192.0.2.7 10.0.0.1 80 81\r\n".to_vec(),
                Malformed,
            ),
            (
                b"PROXY TCP4 192.0.2.7 10.0.0.1 80 99999\r\n".to_vec(),
                Malformed,
            ),
            (b"PROXY \n".to_vec(), Malformed),
            ([b"PROXY ".to_vec(), vec![b'x'; 101]].concat(), TooLong),
            (of_2(0x21, 0x12, V4), Malformed),
            (of_2(0x31, 0x11, V4), Malformed),
            (of_2(0x21, 0x11, &V4[..8]), Malformed),
            (of_2(0x21, 0x41, V4), Malformed),
            (of_2(0x21, 0x11, &[0; HEADER_MAX]), TooLong),
        ] {
            assert_eq!(
                read(&bytes),
                Verdict::Refuse(error),
                "{}",
                bytes.escape_ascii()
            );
        }
    }

    #[test]
    fn random_bytes_behind_a_mark_are_never_more_than_a_verdict() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..20_000 {
            let mark = if random.bool() { VERSION_1 } else { VERSION_2 };
            let mut bytes = mark.to_vec();
            let any = |random: &mut fastrand::Rng| random.u8(..);
            let near =
                |random: &mut fastrand::Rng| *random.choice(b"TCP46 UNKNOWN:.0\r\n ").unwrap();
            let text = random.bool();
            bytes.extend((0..random.usize(..120)).map(|_| match text {
                true => near(&mut random.fork()),
                false => any(&mut random.fork()),
            }));
            if let Verdict::Header { len, .. } = read(&bytes) {
                assert!(len <= bytes.len());
            }
        }
    }

    #[test]
    fn networks_are_believed_and_unix_sockets_by_name() {
        let believed = Believed {
            networks: vec![
                "10.0.0.0/8".parse().unwrap(),
                "2001:db8::/32".parse().unwrap(),
            ],
            unix: false,
        };
        let must = |peer: &str| believed.must_say(Some(peer.parse().unwrap()));
        assert!(must("10.1.2.3") && must("::ffff:10.1.2.3") && must("2001:db8::1"));
        assert!(!must("11.0.0.1") && !believed.must_say(None));
        assert!(!Believed {
            unix: true,
            ..Believed::default()
        }
        .is_empty());
    }
}
