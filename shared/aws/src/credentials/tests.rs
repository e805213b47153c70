use super::*;

#[test]
fn every_way_of_renewing_changes_a_stamp() {
    let home = tempfile::tempdir().unwrap();
    let (keys, cache) = (home.path().join("credentials"), home.path().join("sso-cache"));
    let look = || stamps(&[keys.clone(), cache.clone()]);
    let mut last = look();
    let mut changed = |what: &str| {
        let now = look();
        assert_ne!(now, last, "{what}");
        last = now;
        assert_eq!(look(), last, "nothing happened since");
    };
    std::fs::write(&keys, "[a]").unwrap();
    changed("a file appears");
    std::fs::write(&keys, "[a]\nkey = new").unwrap();
    changed("a file is written again");
    std::fs::create_dir(&cache).unwrap();
    std::fs::write(cache.join("token.json"), "old").unwrap();
    changed("a token appears in its folder");
    std::fs::write(cache.join("token.json"), "newer").unwrap();
    changed("a token is renewed in place");
    std::fs::remove_file(&keys).unwrap();
    changed("a file goes");
}
