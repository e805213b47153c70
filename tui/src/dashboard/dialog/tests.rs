use stereospot_domain::QueueName;
use stereospot_domain::QueueRole;
use stereospot_domain::plan::{Outcome as Ended, Refusal, RefusalCode};

use super::*;
use crate::dashboard::fixture::{NOW, plan, target};

const AT: Duration = Duration::from_secs(100);

fn replay() -> Action {
    Action::Replay { queue: QueueName::dead_letter(QueueRole::Inference), message_ids: None }
}

fn shown(action: Action, confirm: Option<&str>, opened_by: KeyCode) -> Dialog {
    let mut dialog = Dialog::new(1, action.clone(), opened_by);
    dialog.show(plan(action, confirm), AT);
    dialog
}

fn press(dialog: &mut Dialog, code: KeyCode, millis: u64) -> Outcome {
    let now = AT + Duration::from_millis(millis);
    dialog.key(KeyEvent::new(code, KeyModifiers::NONE), now, NOW.plus(Duration::from_millis(millis)))
}

fn is_apply(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Do(Effect::Apply { .. }))
}

#[test]
fn enter_enter_never_applies() {
    for opened_by in [KeyCode::Enter, KeyCode::Char('a'), KeyCode::Char('r')] {
        let mut dialog = shown(replay(), None, opened_by);
        for millis in [0, 50, 100, 499] {
            assert_eq!(press(&mut dialog, KeyCode::Enter, millis), Outcome::Stay, "{opened_by:?} {millis}");
            assert_eq!(press(&mut dialog, KeyCode::Char('a'), millis), Outcome::Stay, "{opened_by:?} {millis}");
        }
    }
    let mut by_enter = shown(replay(), None, KeyCode::Enter);
    assert_eq!(press(&mut by_enter, KeyCode::Enter, 5000), Outcome::Stay, "the key that opened it");
    assert!(is_apply(&press(&mut by_enter, KeyCode::Char('a'), 5000)));
    let mut by_r = shown(replay(), None, KeyCode::Char('r'));
    for millis in [1000, 1050] {
        assert_eq!(press(&mut by_r, KeyCode::Enter, millis), Outcome::Stay, "the dialog offers a, and nothing else");
    }
    assert!(by_r.note.as_ref().unwrap().contains("a does"));
    assert!(is_apply(&press(&mut by_r, KeyCode::Char('a'), 5000)));
    let mut by_a = shown(replay(), None, KeyCode::Char('a'));
    assert_eq!(by_a.apply_key(), KeyCode::Enter);
    assert_eq!(press(&mut by_a, KeyCode::Char('a'), 5000), Outcome::Stay);
    assert!(is_apply(&press(&mut by_a, KeyCode::Enter, 5000)));
}

#[test]
fn it_scrolls_by_what_is_seen_and_no_further_than_there_is() {
    let mut dialog = shown(replay(), None, KeyCode::Char('r'));
    dialog.drawn.set(Drawn { rows: 3, reach: 5 });
    let mut check = |code: KeyCode, expected: usize| {
        press(&mut dialog, code, 1000);
        assert_eq!(dialog.scroll, expected, "{code:?}");
    };
    check(KeyCode::PageDown, 2);
    check(KeyCode::Down, 3);
    check(KeyCode::PageDown, 5);
    check(KeyCode::PageDown, 5);
    check(KeyCode::Up, 4);
    check(KeyCode::PageUp, 2);
    check(KeyCode::PageUp, 0);
    check(KeyCode::Up, 0);
}

#[test]
fn what_must_be_typed_must_be_typed() {
    let mut dialog = shown(replay(), Some("replay 2"), KeyCode::Char('r'));
    for letter in "replay 3".chars() {
        assert_eq!(press(&mut dialog, KeyCode::Char(letter), 1000), Outcome::Stay);
    }
    assert_eq!(press(&mut dialog, KeyCode::Enter, 1000), Outcome::Stay);
    assert!(dialog.note.as_ref().unwrap().contains("replay 2"));
    press(&mut dialog, KeyCode::Backspace, 1000);
    press(&mut dialog, KeyCode::Char('2'), 1000);
    let applied = press(&mut dialog, KeyCode::Enter, 1000);
    assert!(matches!(applied, Outcome::Do(Effect::Apply { confirm: Some(text), .. }) if text == "replay 2"));
    assert_eq!(press(&mut dialog, KeyCode::Enter, 2000), Outcome::Stay, "once");
}

#[test]
fn tab_chooses_whether_the_dead_letters_of_a_job_that_is_given_up_go_with_it() {
    let job_id = stereospot_domain::JobId(uuid::Uuid::from_u128(1));
    let fail = |discard| Action::Fail { job_id, reason: None, discard };
    let mut dialog = shown(fail(false), Some("fail 1"), KeyCode::Char('f'));
    let Step::Shown(plan) = &mut dialog.step else { panic!() };
    plan.items.push(PlanItem::new(Target::Job { job_id }, "set to failed"));
    press(&mut dialog, KeyCode::Char('f'), 1000);
    let again = Effect::Plan { serial: 1, action: fail(true) };
    assert_eq!(press(&mut dialog, KeyCode::Tab, 1000), Outcome::Do(again));
    assert_eq!((&dialog.step, dialog.typed.as_str()), (&Step::Asking, "f"));
    let mut other = shown(replay(), Some("replay 2"), KeyCode::Char('r'));
    assert_eq!(press(&mut other, KeyCode::Tab, 1000), Outcome::Stay);
}

#[test]
fn a_purge_is_typed_even_when_the_server_does_not_ask() {
    let queue = QueueName::main(QueueRole::Inference);
    let mut dialog = shown(Action::Purge { queue, message_ids: None }, None, KeyCode::Char('x'));
    assert_eq!(press(&mut dialog, KeyCode::Enter, 1000), Outcome::Stay);
    assert_eq!(press(&mut dialog, KeyCode::Char('a'), 1000), Outcome::Stay);
    press(&mut dialog, KeyCode::Backspace, 1000);
    "purge 2".chars().for_each(|letter| drop(press(&mut dialog, KeyCode::Char(letter), 1000)));
    assert!(is_apply(&press(&mut dialog, KeyCode::Enter, 1000)));
}

#[test]
fn a_discard_of_one_message_is_typed_too() {
    let queue = QueueName::dead_letter(QueueRole::Inference);
    let action = Action::Purge { queue, message_ids: Some(vec!["m-17".into()]) };
    let mut dialog = shown(action, None, KeyCode::Char('x'));
    for code in [KeyCode::Enter, KeyCode::Char('a'), KeyCode::Enter] {
        assert_eq!(press(&mut dialog, code, 1000), Outcome::Stay, "{code:?}");
    }
    press(&mut dialog, KeyCode::Backspace, 1000);
    "purge 2".chars().for_each(|letter| drop(press(&mut dialog, KeyCode::Char(letter), 1000)));
    assert!(is_apply(&press(&mut dialog, KeyCode::Enter, 1000)));
}

#[test]
fn a_plan_that_ran_out_or_was_refused_is_not_applied() {
    let mut late = shown(replay(), None, KeyCode::Char('r'));
    assert_eq!(press(&mut late, KeyCode::Char('a'), 60_000), Outcome::Stay);
    assert!(late.note.as_ref().unwrap().contains("run out"));
    let mut refused = shown(replay(), None, KeyCode::Char('r'));
    let Step::Shown(plan) = &mut refused.step else { panic!() };
    plan.refused = Some(Refusal::new(RefusalCode::MoveRuns, "a move of the queue runs"));
    assert_eq!(press(&mut refused, KeyCode::Enter, 1000), Outcome::Stay);
    assert!(refused.note.unwrap().contains("can't be applied"));
}

#[test]
fn escape_cancels_until_it_is_applied() {
    let mut dialog = shown(replay(), None, KeyCode::Char('r'));
    assert_eq!(press(&mut dialog, KeyCode::Esc, 10), Outcome::Close);
    assert!(is_apply(&press(&mut dialog, KeyCode::Char('a'), 1000)));
    assert_eq!(press(&mut dialog, KeyCode::Esc, 1100), Outcome::Stay, "what is sent can't be called back");
    assert!(dialog.note.as_ref().unwrap().contains("esc again leaves it"));
    assert_eq!(press(&mut dialog, KeyCode::Esc, 1200), Outcome::Close, "but the operator can leave");
    dialog.finish(vec![ItemResult { target: target(17), outcome: Ended::Done, note: String::new() }]);
    assert!(matches!(dialog.step, Step::Done(_, ref results) if results.len() == 1));
    assert_eq!(press(&mut dialog, KeyCode::Esc, 1200), Outcome::Close);
}

#[test]
fn the_command_that_does_the_same_can_be_copied() {
    let mut dialog = shown(replay(), Some("replay 2"), KeyCode::Char('r'));
    let copied = press(&mut dialog, KeyCode::Char('C'), 0);
    assert!(matches!(copied, Outcome::Do(Effect::Copy(command)) if command.starts_with("stereospot queues replay")));
    assert_eq!(dialog.typed, "");
}
