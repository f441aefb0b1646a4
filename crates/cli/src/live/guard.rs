//! Admit those who were told the address, and nobody whose page merely knows that a port of this machine may answer.
//!
//! A page of any site can make a browser send requests here, and, by a name that it lets point to this machine (DNS
//! rebinding), even read the answers. So the `Host` must be one of this machine's names for itself; what changes or costs
//! something must carry a header that no other site may send, and no foreign `Origin`. Where others than this machine
//! can connect, a token takes the place of the names.

use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, Method, Uri};

use self::Verdict::{Admitted, Refused, Welcomed};
use super::address::Bound;

/// The header that what is posted must carry.
const MARK: &str = "x-ebm";
/// By which browsers tell whose page asks.
const FETCH_SITE: &str = "sec-fetch-site";

/// Who may ask.
#[derive(Debug)]
pub(super) struct Gate {
    /// Names of this server, as a `Host` has them; of one with a token they do not matter.
    hosts: Vec<String>,
    token: Option<String>,
    /// Name of the cookie that holds the token: those of other ports of this machine are sent, too.
    cookie: String,
}

/// What becomes of somebody who asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are answered.
    Admitted,
    /// They have brought the token, and get this cookie to show from then on.
    Welcomed(String),
    /// They are not.
    Refused(&'static str),
}

impl Gate {
    /// The gate of a server that listens there.
    pub(super) fn of(bound: &Bound) -> Self {
        let port = bound.address.port();
        let names = ["127.0.0.1", "localhost", "[::1]"];
        let mut hosts: Vec<String> = names.iter().map(|name| format!("{name}:{port}")).collect();
        hosts.push(bound.address.to_string());
        if port == 80 {
            hosts.extend(names.map(str::to_owned)); // browsers leave it out
        }
        Self {
            hosts,
            token: bound.token.clone(),
            cookie: format!("ebm_{port}"),
        }
    }

    /// Judge a request.
    pub(super) fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Verdict {
        let Some(host) = only(headers, HOST) else {
            return Refused("a request needs one Host");
        };
        if let Some(token) = &self.token {
            let brings = brought(uri).filter(|_| method == Method::GET && uri.path() == "/");
            match brings {
                Some(brought) if is_same(brought, token) => {
                    let cookie = &self.cookie;
                    let rules = "HttpOnly; SameSite=Lax; Path=/";
                    return Welcomed(format!("{cookie}={token}; {rules}"));
                }
                Some(_) => {
                    return Refused("this is not the token: open the address that was printed");
                }
                None if !self.shows(headers, token) => {
                    return Refused("open the address that was printed, with its token");
                }
                None => {}
            }
        } else if !self.is_own(host) {
            return Refused("this server answers to the names of this machine alone");
        }
        // Such a page cannot read what it gets, but it would cost the run its making.
        let from = only(headers, HeaderName::from_static(FETCH_SITE));
        if uri.path() != "/" && matches!(from, Some("cross-site" | "same-site")) {
            return Refused("pages of other sites may not ask for this");
        }
        if method == Method::GET || method == Method::HEAD {
            return Admitted;
        }
        if only(headers, HeaderName::from_static(MARK)) != Some("1") {
            return Refused("what changes something needs the header X-Ebm: 1");
        }
        let own = format!("http://{host}");
        if headers.contains_key(ORIGIN) && only(headers, ORIGIN) != Some(own.as_str()) {
            return Refused("pages of other sites may not ask for this");
        }
        Admitted
    }

    fn is_own(&self, host: &str) -> bool {
        let mut own = self.hosts.iter();
        own.any(|own| own.eq_ignore_ascii_case(host))
    }

    /// Whether the token is among the cookies.
    fn shows(&self, headers: &HeaderMap, token: &str) -> bool {
        let cookies = headers.get_all(COOKIE).iter();
        let cookies = cookies.filter_map(|cookies| cookies.to_str().ok());
        let mut pairs = cookies.flat_map(|cookies| cookies.split(';'));
        pairs.any(|pair| match pair.trim().split_once('=') {
            Some((name, value)) => name == self.cookie && is_same(value, token),
            None => false,
        })
    }
}

/// The value of a header that is there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The token in an address.
fn brought(uri: &Uri) -> Option<&str> {
    let mut pairs = uri.query()?.split('&');
    pairs.find_map(|pair| pair.strip_prefix("token="))
}

/// Whether two words are the same, in a time that does not tell where they differ.
fn is_same(one: &str, other: &str) -> bool {
    let pairs = one.bytes().zip(other.bytes());
    let differences = pairs.fold(0, |found, (one, other)| found | (one ^ other));
    one.len() == other.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn gate(address: &str, token: Option<&str>) -> Gate {
        Gate::of(&Bound {
            listener: TcpListener::bind("127.0.0.1:0").expect("a free port"),
            address: address.parse().expect("an address"),
            token: token.map(str::to_owned),
        })
    }

    /// What becomes of a request with these headers, one a line.
    fn judged(gate: &Gate, method: &str, path: &str, lines: &[&str]) -> Verdict {
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").expect("a header");
            let name: HeaderName = name.parse().expect("a name");
            headers.append(name, value.parse().expect("a value"));
        }
        let method = method.parse().expect("a method");
        gate.judge(&method, &path.parse().expect("a path"), &headers)
    }

    fn is_refused(verdict: &Verdict) -> bool {
        matches!(verdict, Refused(_))
    }

    #[test]
    fn a_page_of_this_machine_may_look_and_post() {
        for address in ["127.0.0.1:7300", "[::1]:7300"] {
            let gate = gate(address, None);
            for host in [
                "127.0.0.1:7300",
                "localhost:7300",
                "LOCALHOST:7300",
                "[::1]:7300",
            ] {
                let (host, origin) = (format!("host: {host}"), format!("origin: http://{host}"));
                let (host, origin) = (host.as_str(), origin.as_str());
                assert_eq!(judged(&gate, "GET", "/about", &[host]), Admitted, "{host}");
                let post = [host, "x-ebm: 1"];
                assert_eq!(judged(&gate, "POST", "/stop", &post), Admitted, "{host}");
                let post = [host, "x-ebm: 1", origin];
                assert_eq!(judged(&gate, "POST", "/stop", &post), Admitted, "{host}");
            }
        }
        let own = gate("127.0.0.2:7300", None);
        let host = ["host: 127.0.0.2:7300"];
        assert_eq!(judged(&own, "GET", "/", &host), Admitted);
        let plain = gate("127.0.0.1:80", None);
        assert_eq!(judged(&plain, "GET", "/", &["host: localhost"]), Admitted);
    }

    #[test]
    fn a_name_that_others_let_point_here_is_refused() {
        let gate = gate("127.0.0.1:7300", None);
        for lines in [
            &["host: evil.example:7300"][..],
            &["host: localhost.evil.example:7300"],
            &["host: 127.0.0.1:7301"],
            &["host: localhost"],
            &["host: 0.0.0.0:7300"],
            &["host: "],
            &[],
            &["host: 127.0.0.1:7300", "host: evil.example"],
        ] {
            for method in ["GET", "POST"] {
                let lines = [lines, &["x-ebm: 1"]].concat();
                assert!(is_refused(&judged(&gate, method, "/", &lines)), "{lines:?}");
            }
        }
    }

    #[test]
    fn what_another_site_can_make_a_browser_post_is_refused() {
        let gate = gate("127.0.0.1:7300", None);
        let host = "host: 127.0.0.1:7300";
        for lines in [
            &[host][..],
            &[host, "x-ebm: 2"],
            &[host, "x-ebm: 1", "x-ebm: 1"],
            &[host, "origin: http://127.0.0.1:7300"],
            &[host, "x-ebm: 1", "origin: http://evil.example"],
            &[host, "x-ebm: 1", "origin: null"],
            &[host, "x-ebm: 1", "origin: http://127.0.0.1:7301"],
            &[host, "x-ebm: 1", "origin: https://127.0.0.1:7300"],
            &[
                host,
                "x-ebm: 1",
                "origin: http://127.0.0.1:7300",
                "origin: null",
            ],
        ] {
            for method in ["POST", "PUT", "OPTIONS", "DELETE"] {
                let verdict = judged(&gate, method, "/stop", lines);
                assert!(is_refused(&verdict), "{method} {lines:?}");
            }
        }
    }

    #[test]
    fn a_page_of_another_site_cannot_have_anything_made() {
        let gate = gate("127.0.0.1:7300", None);
        let host = "host: 127.0.0.1:7300";
        for (from, is_refused_there) in [
            ("cross-site", true),
            ("same-site", true),
            ("same-origin", false),
            ("none", false),
        ] {
            let from = format!("sec-fetch-site: {from}");
            for (path, expected) in [("/frame/0", is_refused_there), ("/", false)] {
                let verdict = judged(&gate, "GET", path, &[host, &from]);
                assert_eq!(is_refused(&verdict), expected, "{path} {from}");
            }
        }
    }

    #[test]
    fn beyond_this_machine_the_token_opens_the_page_and_its_cookie_all_else() {
        let gate = gate("0.0.0.0:8080", Some("c0ffee"));
        let host = "host: box.example:8080";
        let entry = judged(&gate, "GET", "/?token=c0ffee", &[host]);
        let cookie = "ebm_8080=c0ffee; HttpOnly; SameSite=Lax; Path=/";
        assert_eq!(entry, Welcomed(cookie.to_owned()));
        let shown = "cookie: other=1; ebm_8080=c0ffee";
        assert_eq!(judged(&gate, "GET", "/", &[host, shown]), Admitted);
        let post = [host, shown, "x-ebm: 1", "origin: http://box.example:8080"];
        assert_eq!(judged(&gate, "POST", "/stop", &post), Admitted);
        assert!(is_refused(&judged(&gate, "POST", "/stop", &post[..2])));
        let foreign = [host, shown, "x-ebm: 1", "origin: http://evil.example"];
        assert!(is_refused(&judged(&gate, "POST", "/stop", &foreign)));
    }

    #[test]
    fn without_the_token_nothing_is_shown() {
        let gate = gate("0.0.0.0:8080", Some("c0ffee"));
        for (path, lines) in [
            ("/", &["host: box:8080"][..]),
            ("/", &["host: 127.0.0.1:8080"]),
            ("/?token=", &["host: box:8080"]),
            ("/?token=c0ffe", &["host: box:8080"]),
            ("/?token=c0ffee0", &["host: box:8080"]),
            ("/?token=d0ffee", &["host: box:8080"]),
            ("/about?token=c0ffee", &["host: box:8080"]),
            ("/about", &["host: box:8080", "cookie: ebm_8080="]),
            ("/about", &["host: box:8080", "cookie: ebm_8081=c0ffee"]),
            ("/about", &["host: box:8080", "cookie: ebm_8080=c0ffeE"]),
            ("/", &["cookie: ebm_8080=c0ffee"]),
        ] {
            let verdict = judged(&gate, "GET", path, lines);
            assert!(is_refused(&verdict), "{path} {lines:?}");
        }
        let post = ["host: box:8080", "x-ebm: 1"];
        let posted = judged(&gate, "POST", "/?token=c0ffee", &post);
        assert!(is_refused(&posted));
    }
}
