//! Free ports on loopback.

use std::net::{Ipv4Addr, TcpListener};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The two ports of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ports {
    pub http: u16,
    pub transport: u16,
}

impl Ports {
    /// Can both be bound now?
    pub(crate) fn are_free(self) -> bool {
        is_free(self.http) && is_free(self.transport)
    }
}

/// How many ports from the base on are tried.
const RANGE: u16 = 99;
/// Transport ports are this far above their HTTP ports, as the engine's own defaults are.
const TRANSPORT_ABOVE: u16 = 100;

/// The first `wanted` free pairs from `base` on, passing over those for which `taken` says so.
pub(crate) fn choose(
    base: u16,
    wanted: usize,
    taken: impl Fn(Ports) -> bool,
) -> Result<Vec<Ports>, Error> {
    let last = base.saturating_add(RANGE - 1);
    let pairs = (base..=last).filter_map(|http| {
        http.checked_add(TRANSPORT_ABOVE).map(|transport| Ports { http, transport })
    });
    let chosen: Vec<Ports> = pairs.filter(|&ports| !taken(ports)).take(wanted).collect();
    if chosen.len() < wanted {
        return Err(Error::NoPorts { wanted, from: base, to: last });
    }
    Ok(chosen)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_ports_are_passed_over() {
        let chosen = choose(9201, 3, |p| p.http == 9201 || p.transport == 9303).expect("enough");
        let http: Vec<u16> = chosen.iter().map(|ports| ports.http).collect();
        assert_eq!(http, [9202, 9204, 9205]);
    }

    #[test]
    fn a_full_range_is_an_error() {
        let refused = choose(9201, 2, |ports| ports.http != 9299);
        assert!(matches!(refused, Err(Error::NoPorts { wanted: 2, from: 9201, to: 9299 })));
    }

    #[test]
    fn a_listening_port_is_not_free() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("address").port();
        assert!(!is_free(port));
    }
}
