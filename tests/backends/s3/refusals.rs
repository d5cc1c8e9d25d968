//! What a store refuses is said as what it is.

use windlass::plugin::contract::{ErrorKind, PluginError, Retry};
use windlass_backends::{S3, S3Keys};

use super::Stage;

const MANY: &str = r#"{"bucket": "many", "prefix": "all/"}"#;

async fn refused(store: &S3, keys: &S3Keys, options: &str) -> PluginError {
    Stage::new(store.address(), keys).items(options).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_known_or_not_let_in_is_told_why() {
    let Some(store) = S3::shared() else { return };
    let owner = store.owner();
    let unknown = S3Keys { id: "AKIAIOSFODNN7EXAMPLE".to_owned(), ..owner.clone() };
    let wrong = S3Keys { secret: "wrong".to_owned(), ..owner.clone() };
    let stale = S3Keys { token: Some("stale".to_owned()), ..store.guest() };
    let cases = [
        (unknown, "InvalidAccessKeyId", ErrorKind::Unauthenticated, "does not know the access key id"),
        (wrong, "SignatureDoesNotMatch", ErrorKind::Unauthenticated, "secret access key"),
        (stale, "InvalidToken", ErrorKind::Unauthenticated, "session token"),
        (store.nobody(), "AccessDenied", ErrorKind::Denied, "does not let this key at the bucket many"),
    ];
    for (keys, code, kind, says) in cases {
        let error = refused(store, &keys, MANY).await;
        assert_eq!((error.kind, error.retry, error.code.as_deref()), (kind, Retry::Never, Some(code)), "{error}");
        assert!(error.message.contains(says), "{error}");
        let shown = format!("{error:?}");
        assert!(!shown.contains(&keys.id) && !shown.contains(&keys.secret), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_lent_is_let_in_with_its_token_only() {
    let Some(store) = S3::shared() else { return };
    let guest = store.guest();
    let stage = Stage::new(store.address(), &guest);
    stage.plugin.check().await.unwrap();
    assert_eq!(stage.items(r#"{"bucket": "many", "key": "all/00007"}"#).await.unwrap().0[0].size, Some(1));
    let error = refused(store, &S3Keys { token: None, ..guest }, MANY).await;
    assert_eq!(error.kind, ErrorKind::Unauthenticated, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_named() {
    let Some(store) = S3::shared() else { return };
    for (options, code, says) in [
        (r#"{"bucket": "no-such-bucket", "prefix": ""}"#, "NoSuchBucket", "there is no bucket no-such-bucket"),
        (r#"{"bucket": "many", "key": "a b"}"#, "NoSuchKey", "there is no object s3://many/a b"),
    ] {
        let error = refused(store, &store.owner(), options).await;
        assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::NotFound, Some(code)), "{error}");
        assert!(error.message.contains(says), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_tried_again_and_then_told() {
    let Some(store) = S3::shared() else { return };
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = Stage::new(closed, &store.owner()).items(MANY).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Unavailable, Retry::Backoff), "{error}");
}
