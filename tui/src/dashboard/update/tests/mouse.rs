//! Clicks and the wheel.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::*;
use crate::dashboard::screens::{Jobs, Workers};

/// Clicks on the first cell of `words`, as drawn.
fn click(dash: &mut Harness, words: &str) -> Vec<Effect> {
    dash.draw();
    let screen = dash.screen();
    let (width, height) = (screen.area.width, screen.area.height);
    let line = |y: u16| (0..width).map(|x| screen[(x, y)].symbol()).collect::<String>();
    let found = (0..height).find_map(|y| line(y).find(words).map(|at| (line(y)[..at].chars().count() as u16, y)));
    let (column, row) = found.unwrap_or_else(|| panic!("`{words}` is not on the screen"));
    turn(dash, MouseEventKind::Down(MouseButton::Left), column, row)
}

fn index(dash: &Harness) -> Option<usize> {
    dash.state.get::<Jobs>().index(&dash.state.model)
}

fn turn(dash: &mut Harness, kind: MouseEventKind, column: u16, row: u16) -> Vec<Effect> {
    dash.input(Input::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }))
}

#[test]
fn a_click_selects_and_a_second_one_opens() {
    let mut dash = dash();
    click(&mut dash, "4 Jobs");
    assert_eq!(dash.state.place().screen, Command::Jobs);
    click(&mut dash, "holiday in");
    assert_eq!((dash.state.job_under_cursor(), dash.state.place().screen), (Some(job_id(1)), Command::Jobs));
    click(&mut dash, "holiday in");
    assert_eq!(dash.state.place(), Place::job(job_id(1)));
    dash.key('1');
    click(&mut dash, "reassembly idle");
    assert_eq!(dash.state.queue_under_cursor().unwrap().to_string(), "reassembly");
    click(&mut dash, "≈318");
    assert_eq!(dash.state.queue_under_cursor().unwrap().to_string(), "inference", "a stage");
    click(&mut dash, "bigbuckbunny");
    assert_eq!(dash.state.job_under_cursor(), Some(job_id(0)));
    dash.key('2');
    click(&mut dash, "inference-dlq");
    assert_eq!(dash.state.queue_under_cursor().unwrap().to_string(), "inference-dlq");
    dash.key('6');
    click(&mut dash, "inference-2");
    assert_eq!(dash.state.get::<Workers>().worker(&dash.state.model).unwrap().name, "inference-2@box");
}

#[test]
fn dead_letters_are_clicked_in_both_panes() {
    let mut dash = dash();
    dash.key('3');
    let queue = dash.state.get::<DeadLetters>().triage.queue.unwrap();
    let messages = Ok((0..7).map(message).collect());
    dash.input(Input::Answer(Answer::Messages { queue, messages }));
    click(&mut dash, "timed out after");
    assert_eq!(dash.state.get::<DeadLetters>().triage.group().unwrap().messages.len(), 2);
    click(&mut dash, "m-4");
    assert_eq!(dash.state.get::<DeadLetters>().triage.message().unwrap().id, "m-4");
    assert_eq!(dash.state.get::<DeadLetters>().triage.targets(), ["m-4"]);
}

#[test]
fn the_wheel_moves_and_a_dialog_takes_no_clicks() {
    let mut dash = dash();
    dash.key('4');
    turn(&mut dash, MouseEventKind::ScrollDown, 5, 5);
    assert_eq!(index(&dash), Some(3));
    turn(&mut dash, MouseEventKind::ScrollUp, 5, 5);
    assert_eq!(index(&dash), Some(0));
    dash.code(KeyCode::Down);
    dash.key('f');
    let before = dash.state.job_under_cursor();
    assert_eq!(click(&mut dash, "1 Pulse"), []);
    turn(&mut dash, MouseEventKind::ScrollDown, 5, 5);
    assert_eq!((dash.state.place().screen, dash.state.job_under_cursor()), (Command::Jobs, before));
    assert!(matches!(dash.state.overlay, Overlay::Plan(_)));
}

#[test]
fn the_mouse_is_the_terminals_until_it_is_asked_for() {
    let mut dash = dash();
    assert!(!dash.state.has_mouse);
    assert_eq!(press(&mut dash, 'M'), [Effect::Mouse(true)]);
    assert_eq!(press(&mut dash, 'M'), [Effect::Mouse(false)]);
}
