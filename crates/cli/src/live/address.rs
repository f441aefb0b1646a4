//! Choose where the page is: a port of this machine alone, unless an address is named.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::str::FromStr;

use anyhow::{Context, anyhow};
use sysinfo::System;

/// What is typed for the first free port.
pub(crate) const FREE_PORT: &str = "auto";

/// The first of the ports that are tried where none is named, and how many are.
const FIRST_PORT: u16 = 7300;
const TRIED: u16 = 100;

/// Bytes of a token.
const TOKEN: usize = 16;

/// Where a page may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    /// The first free port of this machine, for it alone.
    Free,
    /// This address; port 0 is any free one.
    At(SocketAddr),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let local = |port: u16| Self::At((Ipv4Addr::LOCALHOST, port).into());
        if text == FREE_PORT {
            return Ok(Self::Free);
        }
        let port = text.strip_prefix("localhost:").unwrap_or(text);
        if let Ok(port) = port.parse() {
            return Ok(local(port));
        }
        text.parse().map(Self::At).map_err(|_| {
            "expected a port, as 8080, or an address of this machine and a port, as 0.0.0.0:8080 or [::1]:8080"
                .to_owned()
        })
    }
}

/// A port that is taken, so that nobody else gets it.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(super) listener: TcpListener,
    pub(super) address: SocketAddr,
    /// What must be known where others than this machine can ask.
    pub(super) token: Option<String>,
}

impl Listen {
    /// Take the port, for `flag`.
    ///
    /// # Errors
    /// Where it is taken, or no address of this machine.
    pub(crate) fn bind(self, flag: &str) -> anyhow::Result<Bound> {
        let listener = match self {
            Self::Free => first_free().map_err(|cause| {
                let last = FIRST_PORT + TRIED - 1;
                anyhow!(
                    "{flag}: no port from {FIRST_PORT} to {last} is free: {cause}; name another"
                )
            }),
            Self::At(address) => TcpListener::bind(address).map_err(|cause| {
                anyhow!("{flag}: cannot listen at {address}: {cause}; name another port or address")
            }),
        }?;
        let address = listener.local_addr().context("the address of the page")?;
        let is_local = address.ip().to_canonical().is_loopback();
        Ok(Bound {
            token: if is_local { None } else { Some(token()?) },
            listener,
            address,
        })
    }
}

fn first_free() -> io::Result<TcpListener> {
    let mut taken = io::Error::from(ErrorKind::AddrInUse);
    for port in FIRST_PORT..FIRST_PORT + TRIED {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return Ok(listener),
            Err(error) => taken = error,
        }
    }
    Err(taken)
}

/// A word that nobody guesses.
fn token() -> anyhow::Result<String> {
    let mut bytes = [0; TOKEN];
    let filled = getrandom::fill(&mut bytes);
    filled.map_err(|error| anyhow!("no random numbers for a token: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Bound {
    /// What to open in a browser.
    pub(crate) fn url(&self) -> String {
        let host = match self.address.ip() {
            ip if ip.is_unspecified() => {
                let name = System::host_name().unwrap_or_else(|| "localhost".to_owned());
                format!("{name}:{}", self.address.port())
            }
            ip => SocketAddr::new(ip, self.address.port()).to_string(),
        };
        match &self.token {
            None => format!("http://{host}/"),
            Some(token) => format!("http://{host}/?token={token}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_one_of_this_machine_alone_and_an_address_is_taken_as_it_is() {
        let read = |text: &str| text.parse::<Listen>();
        let at = |address: &str| Ok(Listen::At(address.parse().expect("an address")));
        assert_eq!(read("auto"), Ok(Listen::Free));
        assert_eq!(read("8080"), at("127.0.0.1:8080"));
        assert_eq!(read("localhost:8080"), at("127.0.0.1:8080"));
        assert_eq!(read("0.0.0.0:8080"), at("0.0.0.0:8080"));
        assert_eq!(read("[::1]:8080"), at("[::1]:8080"));
        for bad in ["", "99999", "-1", "::1:8080", "example.org:80", "127.0.0.1"] {
            assert!(
                read(bad).is_err_and(|error| error.contains("0.0.0.0:8080")),
                "{bad}"
            );
        }
    }

    #[test]
    fn the_first_free_port_is_taken_and_the_next_one_after_it() {
        let one = Listen::Free.bind("--live").expect("a free port");
        let other = Listen::Free.bind("--live").expect("a free port");
        assert!(one.address.ip().is_loopback() && one.token.is_none());
        assert!(other.address.port() != one.address.port());
        assert_eq!(
            one.url(),
            format!("http://127.0.0.1:{}/", one.address.port())
        );
    }

    #[test]
    fn a_port_that_is_named_and_taken_is_refused() {
        let any = Listen::At((Ipv4Addr::LOCALHOST, 0).into());
        let taken = any.bind("--live").expect("a free port");
        let again = Listen::At(taken.address).bind("--live");
        let message = format!("{:#}", again.expect_err("it is taken"));
        let expected = format!("--live: cannot listen at {}: ", taken.address);
        assert!(message.starts_with(&expected), "{message}");
        assert!(
            message.ends_with("; name another port or address"),
            "{message}"
        );
    }

    #[test]
    fn beyond_this_machine_a_token_is_asked_for_each_time_another() {
        let open = || {
            let all = Listen::At((Ipv4Addr::UNSPECIFIED, 0).into());
            let bound = all.bind("--live").expect("a free port");
            (bound.url(), bound.token.expect("a token"))
        };
        let [(url, token), (_, other)] = [open(), open()];
        assert!(
            token.len() == 2 * TOKEN && token != other,
            "{token} {other}"
        );
        assert!(url.ends_with(&format!("/?token={token}")), "{url}");
    }
}
