//! What the dashboard says about a discard: at its key before, in its dialog after.

use std::time::Duration;

use crossterm::event::KeyCode;
use stereospot_api::view::Change;
use stereospot_api::wire::Applied;
use stereospot_domain::plan::{Action, AppliedPlan, ItemResult, Outcome, Plan, PlanItem, Target};
use stereospot_domain::{QueueName, QueueRole};

use super::{full, open, text};
use crate::dashboard::effect::Answer;
use crate::dashboard::fixture::{NOW, plan};
use crate::dashboard::harness::Harness;
use crate::dashboard::input::Input;

const DEAD: QueueName = QueueName { role: QueueRole::Inference, is_dead_letter: true };

fn shown(dash: &mut Harness) -> String {
    dash.draw();
    text(dash.screen())
}

fn chosen() -> Plan {
    plan(Action::Purge { queue: DEAD, message_ids: Some(vec!["m-17".into(), "m-18".into()]) }, Some("purge 2"))
}

#[test]
fn the_hint_says_what_the_key_would_discard() {
    let mut dash = full(80, 24);
    open(&mut dash, '3');
    let mut check = |key: Option<KeyCode>, says: &str| {
        key.into_iter().for_each(|key| dash.code(key));
        let shown = shown(&mut dash);
        assert!(shown.contains(&format!("r replay {says}  x discard {says}")), "{shown}");
    };
    check(None, "group");
    check(Some(KeyCode::Tab), "message");
    check(Some(KeyCode::Char(' ')), "marked");
    dash.key('2');
    assert!(shown(&mut dash).contains("x purge  "), "{}", shown(&mut dash));
}

#[test]
fn the_undo_is_offered_where_it_was_discarded() {
    let mut dash = full(80, 24);
    open(&mut dash, '3');
    assert!(!shown(&mut dash).contains("u undo"));
    let applied = AppliedPlan {
        plan: chosen(),
        applied_by: "alice".into(),
        applied_at: NOW,
        finished_at: Some(NOW),
        results: Vec::new(),
        undo_until: Some(NOW.plus(Duration::from_secs(3600))),
    };
    dash.change(Change::Action(Box::new(applied)));
    assert!(shown(&mut dash).contains("u undo"), "{}", shown(&mut dash));
}

/// The dialog of a purge with this result.
fn ended(plan: Plan, outcomes: &[Outcome]) -> String {
    let mut dash = full(100, 30);
    open(&mut dash, '3');
    dash.key('x');
    let serial = dash.state.serial;
    let confirm = plan.confirm.clone().unwrap();
    let end = |(item, outcome): (&PlanItem, &Outcome)| ItemResult {
        target: item.target.clone(),
        outcome: *outcome,
        note: String::new(),
    };
    let plan_id = plan.id;
    let results = plan.items.iter().zip(outcomes).map(end).collect();
    dash.input(Input::Answer(Answer::Plan { serial, plan: Ok(Box::new(plan)) }));
    dash.pass(Duration::from_secs(1));
    confirm.chars().for_each(|letter| dash.key(letter));
    dash.code(KeyCode::Enter);
    dash.input(Input::Answer(Answer::Applied { serial, applied: Ok(Applied { plan_id, results }) }));
    shown(&mut dash)
}

#[test]
fn an_undo_is_promised_only_where_copies_are_kept() {
    use Outcome::{Done, Failed, Skipped};
    let check = |plan: Plan, outcomes: &[Outcome], says: Option<&str>| {
        let shown = ended(plan, outcomes);
        assert!(shown.contains("RESULT purge"), "{shown}");
        match says {
            Some(says) => assert!(shown.contains(says), "{shown}"),
            None => assert!(!shown.contains("kept"), "{shown}"),
        }
    };
    check(chosen(), &[Done, Done], Some("copies are kept: u puts them back"));
    check(chosen(), &[Done, Failed], Some("a copy is kept: u puts it back"));
    check(chosen(), &[Skipped, Failed], None);
    let main = QueueName::main(QueueRole::Inference);
    let mut whole = plan(Action::Purge { queue: main, message_ids: None }, Some("purge inference"));
    whole.items.truncate(1);
    whole.items[0].target = Target::Queue { queue: main };
    check(whole, &[Done], None);
}
