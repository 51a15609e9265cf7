//! Published ports in Compose's short and long syntax, ranges written out.

use super::model::PublishedPort;
use crate::template::Protocol;

/// A range longer than this is taken for a mistake.
const MAX_RANGE: usize = 1024;

/// Reads the short syntax: `[[address:][host]:]container[/protocol]`, with ranges.
///
/// The error is a whole message.
pub(crate) fn parse_short(text: &str, at: usize) -> Result<Vec<PublishedPort>, String> {
    let wrong = || {
        format!(
            "`{text}` is not a published port; write `HOST:CONTAINER`, such as `\"8080:80\"` or `\"53:53/udp\"`"
        )
    };
    let (rest, protocol) = match text.split_once('/') {
        Some((rest, protocol)) => (rest, parse_protocol(protocol)?),
        None => (text, Protocol::Tcp),
    };
    let (rest, container) = match rest.rsplit_once(':') {
        Some((rest, container)) => (Some(rest), container),
        None => (None, rest),
    };
    let (host_ip, host) =
        match rest.map(|rest| rest.rsplit_once(':').map_or((None, rest), |(ip, host)| (Some(ip), host))) {
            Some((ip, host)) => (ip, host),
            None => (None, ""),
        };
    let host_ip = host_ip.map(|ip| ip.trim_matches(['[', ']']).to_owned());
    if host_ip.as_ref().is_some_and(|ip| ip.parse::<std::net::IpAddr>().is_err()) {
        return Err(wrong());
    }
    let container = parse_range(container).ok_or_else(wrong)?;
    let host = if host.is_empty() { None } else { Some(parse_range(host).ok_or_else(wrong)?) };
    pair(host_ip, host, container, protocol, at).ok_or_else(|| {
        format!("`{text}` publishes a range of another length than it has ports in the container")
    })
}

/// Joins the parts of a published port; `None` if the ranges do not fit together.
pub(crate) fn pair(
    host_ip: Option<String>,
    host: Option<Vec<u16>>,
    container: Vec<u16>,
    protocol: Protocol,
    at: usize,
) -> Option<Vec<PublishedPort>> {
    let hosts: Vec<Option<u16>> = match host {
        None => vec![None; container.len()],
        Some(host) if host.len() == container.len() => host.into_iter().map(Some).collect(),
        // One port out of a host range: Docker picks it.
        Some(_) if container.len() == 1 => vec![None],
        Some(_) => return None,
    };
    let port = |(host, container)| PublishedPort { host_ip: host_ip.clone(), host, container, protocol, at };
    Some(hosts.into_iter().zip(container).map(port).collect())
}

/// `8080` or `8080-8090`.
pub(crate) fn parse_range(text: &str) -> Option<Vec<u16>> {
    let port = |text: &str| {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| digits && *port > 0)
    };
    match text.split_once('-') {
        None => Some(vec![port(text)?]),
        Some((first, last)) => {
            let range = port(first)?..=port(last)?;
            (1..=MAX_RANGE).contains(&range.len()).then(|| range.collect())
        }
    }
}

/// `tcp` or `udp`.
pub(crate) fn parse_protocol(text: &str) -> Result<Protocol, String> {
    match text.to_ascii_lowercase().as_str() {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        _ => Err(format!("the protocol `{text}` is not supported; write `tcp` or `udp`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        let show = |p: PublishedPort| {
            let host = p.host.map_or("?".to_owned(), |port| port.to_string());
            format!("{}{host}>{}/{}", p.host_ip.map_or(String::new(), |ip| ip + " "), p.container, p.protocol)
        };
        parse_short(text, 0).map(|ports| ports.into_iter().map(show).collect())
    }

    #[test]
    fn every_short_form_is_read() {
        for (text, expected) in [
            ("80", vec!["?>80/tcp"]),
            ("8080:80", vec!["8080>80/tcp"]),
            ("53:53/udp", vec!["53>53/udp"]),
            ("127.0.0.1:8080:80", vec!["127.0.0.1 8080>80/tcp"]),
            ("127.0.0.1::80", vec!["127.0.0.1 ?>80/tcp"]),
            ("[::1]:8080:80", vec!["::1 8080>80/tcp"]),
            ("9000-9001:80-81", vec!["9000>80/tcp", "9001>81/tcp"]),
            ("9000-9010:80", vec!["?>80/tcp"]),
            ("3000-3001", vec!["?>3000/tcp", "?>3001/tcp"]),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_port_is_refused() {
        for text in
            ["", "x", "0:80", "80:", "70000:80", "80:80/sctp", "2-1:2-1", "1-3:1-2", "host:1:2", "+1:2"]
        {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "[0-9a-z:./\\[\\]-]{0,30}") {
            let _ = parse_short(&text, 0);
        }
    }
}
