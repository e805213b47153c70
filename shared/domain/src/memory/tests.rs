use super::*;

#[test]
fn amounts_are_read_and_written() {
    for text in ["512M", "2G", "1T", "300000k", "1/4"] {
        assert_eq!(
            text.parse::<Memory>().unwrap().to_string().to_lowercase(),
            text.replace("300000k", "300M").to_lowercase()
        );
    }
    assert_eq!("2G".parse(), Ok(Memory::Bytes(Bytes(2_000_000_000))));
    assert_eq!("1/4".parse(), Ok(Memory::Part(4)));
}

#[test]
fn nonsense_is_refused() {
    for text in ["", "G", "-1G", "0G", "1.5G", "2X", "1/0", "1/x", "2/4", "99999999999T"] {
        let error = text.parse::<Memory>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{text}` is no amount of memory")), "{error}");
    }
    let error = "100M".parse::<Memory>().unwrap_err().to_string();
    assert_eq!(error, "100M is too little memory for a worker: it needs 256M at least");
}

#[test]
fn workers_share_it() {
    let shared =
        |text: &str, workers| text.parse::<Memory>().unwrap().divided_by(workers).map(|share| share.to_string());
    assert_eq!(shared("8G", 4).unwrap(), "2G");
    assert_eq!(shared("1/1", 4).unwrap(), "1/4");
    assert!(shared("512M", 4).is_err());
}
