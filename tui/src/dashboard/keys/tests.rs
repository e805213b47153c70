use super::*;

fn key(text: &str) -> KeyEvent {
    let chord: Chord = text.parse().unwrap();
    KeyEvent::new(chord.code, chord.modifiers)
}

#[test]
fn every_command_has_its_own_keys() {
    let map = Keymap::default();
    for command in Command::ALL.iter().copied() {
        for chord in command.default_chords() {
            assert_eq!(map.command(key(chord)), Some(command));
        }
        assert!(map.hint(command).is_some());
    }
}

#[test]
fn a_file_moves_a_command_and_frees_its_old_key() {
    let map = Keymap::from_toml("[keys]\nreplay = \"R\"\nup = [\"up\", \"i\"]\n").unwrap();
    assert_eq!(map.command(key("R")), Some(Command::Replay));
    assert_eq!(map.command(key("r")), None);
    assert_eq!(map.command(key("i")), Some(Command::Up));
    assert_eq!(map.command(key("k")), None);
    assert_eq!(map.hint(Command::Replay).unwrap(), "R");
}

#[test]
fn what_cannot_be_followed_is_found_at_load() {
    let refused = |text: &str| Keymap::from_toml(text).unwrap_err().to_string();
    assert_eq!(
        refused("[keys]\nreplay = \"x\""),
        "`x` would call both `replay` and `purge`: bind one of them to another key"
    );
    assert!(refused("[keys]\nreplai = \"R\"").contains("`replai`, which is no command; commands are pulse,"));
    assert!(refused("[keys]\nreplay = \"hyper-x\"").contains("`replay` to something else than a key"));
    assert!(refused("keys = 3").contains("should look like"));
}

#[test]
fn keys_are_written_as_they_are_read() {
    for text in ["ctrl-c", "alt-x", "R", ":", "enter", "f12", "space", "ctrl--"] {
        let chord: Chord = text.parse().unwrap();
        assert_eq!(chord.to_string(), text);
    }
    assert!("f13".parse::<Chord>().is_err());
    assert!("".parse::<Chord>().is_err());
}
