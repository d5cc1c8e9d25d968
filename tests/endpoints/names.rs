//! Where a name leads is decided by its addresses, when it is connected to.

use std::sync::atomic::Ordering;

use serde_json::json;
use windlass::plugin::endpoint::{Endpoint, ErrorKind};

use crate::server::{Server, answer};
use crate::stage::{Names, config, get, send};

#[tokio::test]
async fn a_name_that_leads_inside_is_refused() {
    let server = Server::plain(|_| answer(200, "inside")).await;
    let inside = [
        ("127.0.0.1", "loopback"),
        ("169.254.169.254", "metadata"),
        ("10.0.0.1", "private"),
        ("0.0.0.0", "unspecified"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "IPv4"),
        ("fd00:ec2::254", "metadata"),
    ];
    for (ip, why) in inside {
        let names = Names::new(&[("platform.example", &[ip])]);
        let text = json!({ "address": format!("http://platform.example:{}", server.port) });
        let endpoint = Endpoint::with_resolver("platform", config(text), names).unwrap();
        let error = send(&endpoint, get("/x")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Address, "{error}");
        let text = error.to_string();
        assert!(text.contains("platform.example") && text.contains(ip) && text.contains(why), "{text}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_listed_network_is_reached_with_one_look_up() {
    let server = Server::plain(|_| answer(200, "inside")).await;
    // The first address is refused, the second is not listening, the third is.
    let names = Names::new(&[("platform.example", &["10.0.0.1", "127.0.0.2", "127.0.0.1"])]);
    let address = format!("http://platform.example:{}", server.port);
    let text = json!({ "address": address, "networks": ["127.0.0.0/8"] });
    let endpoint = Endpoint::with_resolver("platform", config(text), names.clone()).unwrap();
    assert_eq!(send(&endpoint, get("/x")).await.unwrap().body(), "inside");
    assert_eq!(server.only().header("host").unwrap(), format!("platform.example:{}", server.port));
    // What was checked is what was connected to.
    assert_eq!(names.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn localhost_is_this_machine_and_nothing_else() {
    let server = Server::plain(|_| answer(200, "here")).await;
    let text = json!({ "address": format!("http://LOCALHOST:{}", server.port) });
    let here = Names::new(&[("localhost", &["127.0.0.1"])]);
    let endpoint = Endpoint::with_resolver("platform", config(text.clone()), here).unwrap();
    assert_eq!(send(&endpoint, get("/x")).await.unwrap().body(), "here");
    let elsewhere = Names::new(&[("localhost", &["10.0.0.1"])]);
    let endpoint = Endpoint::with_resolver("platform", config(text), elsewhere).unwrap();
    assert_eq!(send(&endpoint, get("/x")).await.unwrap_err().kind(), ErrorKind::Address);
}

#[tokio::test]
async fn an_unknown_name_is_said() {
    let names = Names::new(&[("empty.example", &[])]);
    for host in ["no.example", "empty.example"] {
        let text = json!({ "address": format!("http://{host}") });
        let endpoint = Endpoint::with_resolver("platform", config(text), names.clone()).unwrap();
        let error = send(&endpoint, get("/x")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Name, "{error}");
        assert!(error.to_string().starts_with(&format!("{host} has no address: ")), "{error}");
    }
}

#[tokio::test]
async fn numbers_in_other_clothes_are_names() {
    // The resolver of the system reads these as 127.0.0.1.
    for host in ["2130706433", "127.1", "0x7f.1"] {
        let server = Server::plain(|_| answer(200, "inside")).await;
        let text = json!({ "address": format!("http://{host}:{}", server.port) });
        let endpoint = Endpoint::new("platform", config(text)).unwrap();
        let error = send(&endpoint, get("/x")).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Address | ErrorKind::Name), "{host}: {error}");
        assert_eq!(server.connections(), 0);
    }
}

#[tokio::test]
async fn the_token_server_is_looked_at_in_the_same_way() {
    let server = Server::plain(|_| answer(200, "{}")).await;
    let names = Names::new(&[("login.example", &["127.0.0.1"])]);
    let text = json!({
        "address": format!("http://127.0.0.1:{}", server.port),
        "auth": {
            "kind": "oauth2",
            "token_url": format!("http://login.example:{}/token", server.port),
            "client_id": "me",
            "client_secret": { "value": "hush" },
        },
    });
    let endpoint = Endpoint::with_resolver("platform", config(text), names).unwrap();
    let error = send(&endpoint, get("/x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.to_string().contains("login.example is refused"), "{error}");
    assert_eq!(server.connections(), 0);
}
