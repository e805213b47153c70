//! The dialog of a plan at every size.

use std::time::Duration;

use crossterm::event::KeyCode;
use stereospot_domain::QueueRole;
use stereospot_domain::plan::{Action, Plan, PlanItem, Refusal, RefusalCode};

use super::{SIZES, full, open, text};
use crate::dashboard::effect::{Answer, Unapplied};
use crate::dashboard::fixture::{plan, queue, target};
use crate::dashboard::harness::Harness;
use crate::dashboard::input::{Input, Net};

/// A dashboard that shows a plan.
fn planned(columns: u16, rows: u16, plan: Plan) -> Harness {
    let mut dash = full(columns, rows);
    open(&mut dash, '3');
    dash.key('r');
    let serial = dash.state.serial;
    dash.input(Input::Answer(Answer::Plan { serial, plan: Ok(Box::new(plan)) }));
    dash.pass(Duration::from_secs(1));
    dash
}

#[test]
fn all_of_a_plan_can_be_read_in_the_smallest_room_with_how_to_confirm_it() {
    let queue = queue(QueueRole::Inference, true, 1).name;
    let purge = plan(Action::Purge { queue, message_ids: None }, Some("purge 2"));
    let refused = Plan {
        items: Vec::new(),
        refused: Some(Refusal::new(RefusalCode::Nothing, "nothing to send")),
        ..purge.clone()
    };
    let replay = plan(Action::Replay { queue, message_ids: None }, None);
    let facts =
        ["scope", "318 → 320 messages", "each message is still in", "take off", "its segment is complete already"];
    for (plan, confirm) in [(purge, "type purge 2 then enter"), (refused, "esc close"), (replay, "a apply")] {
        for page in [KeyCode::Down, KeyCode::PageDown] {
            let mut dash = planned(40, 10, plan.clone());
            let mut seen = String::new();
            for steps in 0.. {
                dash.draw();
                let shown = text(dash.screen());
                assert!(shown.contains(confirm), "{shown}");
                assert_eq!(shown.contains("↑ "), steps > 0, "{shown}");
                seen.push_str(&shown);
                if !shown.contains(" more ↓") {
                    break;
                }
                assert!(steps < 40, "{shown}");
                dash.code(page);
            }
            // Lines may break between any words.
            let words =
                |text: &str| text.split(['│', '\n', ' ']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
            let seen = words(&seen);
            for fact in facts.iter().copied().filter(|fact| *fact != "take off" || !plan.items.is_empty()) {
                assert!(seen.contains(fact), "{fact}: {seen}");
            }
            assert_eq!(seen.contains("nothing to send"), plan.refused.is_some());
        }
    }
}

#[test]
fn an_answer_that_does_not_come_is_missed() {
    let queue = queue(QueueRole::Inference, true, 1).name;
    let mut dash = planned(100, 30, plan(Action::Replay { queue, message_ids: None }, None));
    let check = |dash: &mut Harness, says: &[&str], says_not: &str| {
        dash.draw();
        let shown = text(dash.screen());
        assert!(says.iter().all(|says| shown.contains(says)), "{shown}");
        assert!(!shown.contains(says_not), "{shown}");
    };
    dash.key('a');
    dash.pass(Duration::from_secs(1));
    check(&mut dash, &["being applied for 1s"], "no answer");
    dash.input(Input::Net(Net::Lost { attempt: 2, retry_in: Duration::from_secs(1), reason: "away".into() }));
    dash.pass(Duration::from_secs(64));
    check(&mut dash, &["no answer for 1m05s", "whether it was applied is not known"], "being applied");
    let serial = dash.state.serial;
    let why = Unapplied::Perhaps("the control plane stopped answering; whether it was applied is not known".into());
    dash.input(Input::Answer(Answer::Applied { serial, applied: Err(why) }));
    check(&mut dash, &["not known whether it was done", "stopped answering"], "not done");
}

#[test]
fn no_confirmation_scrolls_away_at_any_size() {
    let queue = queue(QueueRole::Inference, true, 1).name;
    let mut plan = plan(Action::Replay { queue, message_ids: None }, None);
    plan.items = (0..60).map(|at| PlanItem { target: target(at), ..plan.items[0].clone() }).collect();
    for (columns, rows) in SIZES {
        let mut dash = planned(columns, rows, plan.clone());
        for _ in 0..120 {
            dash.draw();
            assert!(text(dash.screen()).contains("a apply"), "{}", text(dash.screen()));
            dash.code(KeyCode::PageDown);
        }
        dash.draw();
        assert!(text(dash.screen()).contains("its segment is complete already"), "{}", text(dash.screen()));
        dash.code(KeyCode::Up);
        dash.draw();
        assert!(text(dash.screen()).contains(" 1 more ↓"), "one line back, however often the end was passed");
    }
}
