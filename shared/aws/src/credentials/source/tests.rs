use super::*;

const CONFIG: &str = "# comment\n[default]\nregion = eu-west-1\n\n[profile sso]\nsso_session = corp\nsso_account_id = 1\n\
    [sso-session corp]\nsso_start_url = https://x\n[profile role]\nrole_arn = arn\nsource_profile = sso\n\
    [profile tool]\ncredential_process = /opt/tool --x\n[profile instance]\nrole_arn = a\ncredential_source = Ec2InstanceMetadata\n\
    [profile circle]\nrole_arn = a\nsource_profile = circle\n[profile \"with space\"]\nlogin_session = arn\n\
    [profile nested]\ns3 =\n  credential_process = no\n";
const KEYS: &str = "[keys]\naws_access_key_id = a\naws_secret_access_key = b\naws_session_token = c\n";

fn with(variables: &[(&str, &str)], check: impl Fn(&Surroundings<'_>)) {
    let variable = |name: &str| {
        let home = ("HOME", "/home/x");
        variables.iter().chain([&home]).find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    };
    let file = |path: &Path| match path.to_str() {
        Some("/home/x/.aws/config") => Some(CONFIG.to_owned()),
        Some("/home/x/.aws/credentials") => Some(KEYS.to_owned()),
        _ => None,
    };
    check(&Surroundings { variable: &variable, file: &file });
}

fn renews(variables: &[(&str, &str)], says: &str) {
    with(variables, |around| {
        let renewal = Source::of(around).renewal();
        assert!(renewal.contains(says), "{variables:?}: {renewal}");
    });
}

#[test]
fn what_renews_credentials_follows_from_where_they_come_from() {
    renews(&[("AWS_PROFILE", "sso")], "run `aws sso login --profile sso`; it is noticed within seconds");
    renews(&[("AWS_PROFILE", "role")], "run `aws sso login --profile sso`");
    renews(&[("AWS_PROFILE", "keys")], "write new keys of the profile keys to /home/x/.aws/credentials; it is noticed");
    renews(&[("AWS_PROFILE", "tool")], "credential_process of the profile tool needs (`/opt/tool --x`)");
    renews(&[("AWS_PROFILE", "with space")], "run `aws login --profile with space`");
    renews(&[("AWS_PROFILE", "instance")], "renewed automatically");
    renews(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/t")], "AWS_WEB_IDENTITY_TOKEN_FILE");
    renews(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://x")], "renewed automatically");
    let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_PROFILE", "sso")];
    renews(&keys, "start it again: a running program keeps its variables");
}

#[test]
fn without_any_source_an_instance_may_have_a_role() {
    for variables in
        [&[][..], &[("AWS_PROFILE", "circle")], &[("AWS_PROFILE", "nested")], &[("AWS_ACCESS_KEY_ID", "a")]]
    {
        with(variables, |around| assert_eq!(Source::of(around), Source::Instance, "{variables:?}"));
    }
    with(&[("AWS_PROFILE", "typo")], |around| {
        let error = Source::of(around).unloaded(&CredentialsError::not_loaded_no_source());
        let says =
            "the profile typo that AWS_PROFILE names is neither in /home/x/.aws/config nor in /home/x/.aws/credentials";
        assert!(error.message.ends_with(says), "{error}");
    });
}

#[test]
fn missing_credentials_are_told_from_expired_ones() {
    let expired = CredentialsError::provider_error("the token has expired");
    with(&[("AWS_PROFILE", "sso")], |around| {
        let error = Source::of(around).unloaded(&expired);
        assert!(error.message.starts_with("the AWS session of the profile sso has expired"), "{error}");
        let late = Source::of(around).unloaded(&CredentialsError::provider_timed_out(super::super::PATIENCE));
        assert_eq!(late.code, ErrorCode::Unavailable, "{late}");
    });
    with(&[], |around| {
        let refused = Source::of(around).unloaded(&expired);
        assert!(refused.message.starts_with("no AWS credentials were found"), "{refused}");
        assert!(refused.message.contains("Looked at: the variables AWS_ACCESS_KEY_ID"), "{refused}");
        assert!(!refused.message.contains("expired"), "{refused}");
    });
    with(&[("AWS_PROFILE", "tool")], |around| {
        let error = Source::of(around).unloaded(&expired);
        assert!(
            error.message.contains("the credential_process of the profile tool gives no AWS credentials: the token"),
            "{error}"
        );
    });
}

#[test]
fn every_file_that_a_renewal_writes_is_watched() {
    with(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")], |around| {
        let files = around.files();
        for path in ["/home/x/.aws/config", "/home/x/.aws/credentials", "/home/x/.aws/sso/cache", "/token"] {
            assert!(files.contains(&PathBuf::from(path)), "{path}: {files:?}");
        }
    });
}
