use super::*;
use crate::dashboard::OwnStack;
use crate::dashboard::fixture::{self, job};
use crate::dashboard::harness::Harness;
use crate::dashboard::input::Input;
use stereospot_api::view::Change;
use stereospot_domain::JobStatus;

fn dash(workers: usize, is_at_work: bool) -> Harness {
    let mut dash = Harness::new(80, 24);
    let mut snapshot = fixture::snapshot();
    if !is_at_work {
        snapshot.jobs.clear();
    }
    dash.snapshot(snapshot);
    dash.state.stack = Some(OwnStack { workers });
    dash
}

fn press(dash: &mut Harness, code: KeyCode, modifiers: KeyModifiers) -> Vec<Effect> {
    dash.input(Input::Key(KeyEvent::new(code, modifiers)))
}

fn letters(dash: &mut Harness, text: &str) -> Vec<Effect> {
    text.chars().flat_map(|letter| press(dash, KeyCode::Char(letter), KeyModifiers::NONE)).collect()
}

fn shown(dash: &mut Harness) -> String {
    dash.draw();
    dash.screen().content().iter().map(ratatui::buffer::Cell::symbol).collect()
}

#[test]
fn the_keys_that_leave_ask_first_where_a_stack_would_stop() {
    let mut dash = dash(4, true);
    assert_eq!(letters(&mut dash, "qqq"), []);
    assert!(shown(&mut dash).contains("LEAVE"));
    assert_eq!(press(&mut dash, KeyCode::Esc, KeyModifiers::NONE), []);
    assert!(matches!(dash.state.overlay, Overlay::None));
    for _ in 0..3 {
        assert_eq!(press(&mut dash, KeyCode::Char('c'), KeyModifiers::CONTROL), []);
    }
    assert!(matches!(dash.state.overlay, Overlay::Leave { .. }));
    assert_eq!(letters(&mut dash, "d"), [Effect::Detach]);
}

#[test]
fn while_jobs_are_at_work_a_stop_is_typed() {
    let mut dash = dash(4, true);
    letters(&mut dash, "q");
    assert!(shown(&mut dash).contains("type stop and press enter"));
    assert_eq!(letters(&mut dash, "s"), []);
    assert_eq!(press(&mut dash, KeyCode::Enter, KeyModifiers::NONE), []);
    assert_eq!(letters(&mut dash, "qtop"), []);
    assert_eq!(press(&mut dash, KeyCode::Enter, KeyModifiers::NONE), [Effect::Quit]);
}

#[test]
fn without_work_one_key_stops() {
    for (workers, is_at_work) in [(4, false), (0, true)] {
        let mut dash = dash(workers, is_at_work);
        letters(&mut dash, "q");
        assert!(shown(&mut dash).contains("s    stop the stack"));
        assert_eq!(letters(&mut dash, "s"), [Effect::Quit], "{workers} workers");
    }
}

#[test]
fn work_that_begins_meanwhile_and_work_that_is_not_known_count() {
    let mut begun = dash(4, false);
    letters(&mut begun, "q");
    begun.change(Change::Job(Box::new(job(1, "new", JobStatus::ChunkingInProgress))));
    assert_eq!(letters(&mut begun, "s"), []);
    let mut unknown = Harness::new(80, 24);
    unknown.state.stack = Some(OwnStack { workers: 1 });
    assert_eq!(letters(&mut unknown, "qs"), []);
    assert!(shown(&mut unknown).contains("not known"));
}

#[test]
fn leaving_brings_back_what_was_open() {
    let mut dash = dash(4, true);
    letters(&mut dash, ":dlq");
    press(&mut dash, KeyCode::Char('c'), KeyModifiers::CONTROL);
    press(&mut dash, KeyCode::Esc, KeyModifiers::NONE);
    assert!(matches!(&dash.state.overlay, Overlay::Palette { typed, .. } if typed == "dlq"));
}
